import { MemoryLocks, MemoryStore } from '../../lib/index.js';
import { instrumentLocks, instrumentStore } from '../../lib/opentelemetry/index.js';
import { lockContract, storeContract } from '../../lib/testing/index.js';

describe('An instrumented store', () => {
  storeContract({
    test,
    factory: () => ({
      store: instrumentStore(new MemoryStore({ maxBytes: 64 * 1024 * 1024 })),
      withBudget: (maxBytes) => instrumentStore(new MemoryStore({ maxBytes })),
    }),
  });
});

describe('An instrumented lock registry', () => {
  lockContract({
    test,
    timeout: 10 * 60_000,
    factory: () => ({ locks: instrumentLocks(new MemoryLocks()) }),
  });
});
