import { join } from 'node:path';
import { FileSystemStore, MemoryStore, TieredStore } from '../../../lib/index.js';
import type { SnapshotStore } from '../../../lib/stores/index.js';
import { registerCases } from '../../../lib/testing/contract.js';
import { storeContract } from '../../../lib/testing/index.js';
import { conditionCases } from '../../../lib/testing/store-conditions.js';
import { cleanup } from '../../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const inMemory = () => new MemoryStore({ maxBytes: 64 * 1024 * 1024 });

describe('TieredStore contract, memory before memory', () => {
  storeContract({
    test,
    factory: () => ({ store: new TieredStore({ local: inMemory(), shared: inMemory() }) }),
  });
});

describe('TieredStore contract, memory before files', () => {
  storeContract({
    test,
    factory: async () => {
      const path = await directory();
      const open = (): SnapshotStore =>
        new TieredStore({ local: inMemory(), shared: new FileSystemStore({ directory: path }) });
      return { store: open(), reopen: open };
    },
  });
});

/** Of the combinations, the only one that takes files and writes conditionally. */
describe('A TieredStore of files before memory keeps the contract of conditions:', () => {
  registerCases(
    test,
    conditionCases,
    async () => {
      const local = new FileSystemStore({ directory: await directory() });
      return { store: new TieredStore({ local, shared: inMemory() }) };
    },
    ({ store }) => store.close(),
  );
});

describe('TieredStore contract, files before files', () => {
  storeContract({
    test,
    factory: async () => {
      const path = await directory();
      const open = (): SnapshotStore =>
        new TieredStore({
          local: new FileSystemStore({ directory: join(path, 'local') }),
          shared: new FileSystemStore({ directory: join(path, 'shared') }),
        });
      return { store: open(), reopen: open };
    },
  });
});
