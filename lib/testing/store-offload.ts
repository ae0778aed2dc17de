import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { SnapshotStore, StoredObject } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import { assertBytes, contentOf, LARGE, put, type StoreUnderTest } from './store-content.js';

/** For stores with `getFile`. */
interface Files {
  readonly store: SnapshotStore;
  /** The path of a revision; `undefined`: the store has no file of it. */
  find(object: Pick<StoredObject, 'key' | 'revision'>): Promise<string | undefined>;
}

const withFiles =
  (run: (files: Files) => Promise<void>) =>
  async ({ store }: StoreUnderTest): Promise<void> => {
    const getFile = store.getFile?.bind(store);
    if (getFile === undefined) return;
    const find = async ({ key, revision }: Pick<StoredObject, 'key' | 'revision'>) => {
      const file = await getFile(key, { revision });
      if (file === undefined) return undefined;
      const { directory, path } = file;
      assert(isAbsolute(directory), 'the path of the directory must be absolute');
      assert.match(path, /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/, 'the path must need no escapes');
      return join(directory, path);
    };
    await run({ store, find });
  };

/** `getFile`: files that a web server can send. */
export const offloadCases: ContractCases<StoreUnderTest> = {
  'the file of a revision has its bytes and nothing else': withFiles(async ({ store, find }) => {
    for (const size of [0, 1, LARGE]) {
      const stored = await put(store, 'key/of an object', contentOf('a', size), { name: 'value' });
      const file = await find(stored);
      if (file !== undefined) assertBytes(await readFile(file), contentOf('a', size));
    }
  }),

  'a revision that is not stored has no file': withFiles(async ({ store, find }) => {
    const { revision } = await put(store, 'key', contentOf('a'));
    assert.equal(await find({ key: 'key', revision: 'another' }), undefined);
    assert.equal(await find({ key: 'other', revision }), undefined);
    await store.delete('key');
    assert.equal(await find({ key: 'key', revision }), undefined);
  }),

  'the file of a replaced revision has its old bytes, or is gone': withFiles(
    async ({ store, find }) => {
      const old = await put(store, 'key', contentOf('old'));
      const path = await find(old);
      const named = { ifRevision: old.revision };
      const stored = await put(store, 'key', contentOf('new'), {}, named);
      for (const file of [path, await find(old)]) {
        const bytes = file && (await readFile(file).catch(() => undefined));
        if (bytes) assertBytes(bytes, contentOf('old'));
      }
      const file = await find(stored);
      if (file !== undefined) assertBytes(await readFile(file), contentOf('new'));
    },
  ),

  'getFile rejects with the reason of a signal that has aborted': withFiles(async ({ store }) => {
    const { revision } = await put(store, 'key', contentOf('a'));
    const signal = AbortSignal.abort(new Error('told to stop'));
    await assert.rejects(async () => store.getFile?.('key', { revision, signal }), {
      message: 'told to stop',
    });
  }),
};
