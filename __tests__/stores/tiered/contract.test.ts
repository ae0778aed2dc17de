import { join } from 'node:path';
import {
  FileSystemStore,
  MemoryStore,
  type SnapshotStore,
  TieredStore,
} from '../../../lib/index.js';
import { registerCases } from '../../../lib/testing/contract.js';
import { storeContract } from '../../../lib/testing/index.js';
import { conditionCases } from '../../../lib/testing/store-conditions.js';
import { cleanup } from '../../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const inMemory = () => new MemoryStore({ maxBytes: 64 * 1024 * 1024 });

describe('TieredStore contract, memory before memory', () => {
  storeContract({
    test,
    factory: () => ({ store: new TieredStore({ near: inMemory(), far: inMemory() }) }),
  });
});

describe('TieredStore contract, memory before files', () => {
  storeContract({
    test,
    factory: async () => {
      const path = await directory();
      const open = (): SnapshotStore =>
        new TieredStore({ near: inMemory(), far: new FileSystemStore({ directory: path }) });
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
      const near = new FileSystemStore({ directory: await directory() });
      return { store: new TieredStore({ near, far: inMemory() }) };
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
          near: new FileSystemStore({ directory: join(path, 'near') }),
          far: new FileSystemStore({ directory: join(path, 'far') }),
        });
      return { store: open(), reopen: open };
    },
  });
});
