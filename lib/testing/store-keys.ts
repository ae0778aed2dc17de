import assert from 'node:assert/strict';
import type { Metadata, SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertContent,
  assertMiss,
  contentOf,
  descriptionOf,
  listedKeys,
  put,
  type StoreUnderTest,
} from './store-content.js';

/** Strings that storages take for something else, or for one another. */
const ODD_KEYS = [
  ['a', 'A', 'a/b', 'A/B', 'a/b/c', 'a//b', '/a/b', 'a/b/'], // folders
  ['a b', 'a+b', 'a%20b', 'a%2fb', '%2f', '%2F', '%', 'a?b#c'], // URLs
  ['.', '..', '../x', 'x', 'a/../x', 'a.tmp', 'a\\b', 'a:b', 'a.object', 'a.object/b'], // file names
  ['*', 'a*', "a'b", 'a"b', 'a\nb', ' a', 'a '], // patterns, quotes and white space
  ['__proto__', 'constructor'], // properties of every object
  ['é', 'e\u0301', '日本語', '🚀'], // Unicode: precomposed, decomposed, large code points
  [`${'k'.repeat(2047)}1`, `${'k'.repeat(2047)}2`, 'é'.repeat(1024)], // long keys
].flat();

const METADATA: Readonly<Record<string, Metadata>> = {
  none: {},
  'an empty value': { empty: '', full: 'x' },
  'unicode, in either form': { name: 'é e\u0301 日本語 🚀', námé: 'x' },
  'names that differ in case': { name: 'lower', Name: 'title', NAME: 'upper' },
  'white space and control characters': { a: '  x  ', b: 'x\r\ny\tz', 'c d': '\u0000\u001f' },
  'quotes, escapes and separators': { a: '"\\\'%41&amp;', 'b=c;d': 'e=f;g', 'x:y': '{"z":1}' },
  'names of our own fields': { key: 'a', size: '1', revision: 'b', storedAt: '2', metadata: 'c' },
  'long values': { long: 'x'.repeat(4000), longer: 'é'.repeat(2000) },
};

/** Opaque keys, exact metadata, and `list`. */
export const keyCases: ContractCases<StoreUnderTest> = {
  'different keys are different objects': async ({ store }) => {
    await storeAll(store);
    for (const key of ODD_KEYS) {
      assert.equal((await store.stat(key))?.key, key);
      await assertContent(store, key, contentOf(key));
    }
  },

  'list returns every key exactly as it was stored': async ({ store }) => {
    await storeAll(store);
    assert.deepEqual(await listedKeys(store), [...ODD_KEYS].sort());
  },

  'list returns the objects whose keys begin with the prefix, and no others': async ({ store }) => {
    await storeAll(store);
    const prefixes = ODD_KEYS.flatMap((key) => {
      const characters = [...key]; // whole ones: half of a surrogate pair has no UTF-8 form
      return [key, characters.slice(0, -1).join(''), characters.slice(0, 1).join('')];
    });
    for (const prefix of new Set(prefixes)) {
      const expected = ODD_KEYS.filter((key) => key.startsWith(prefix)).sort();
      assert.deepEqual(
        await listedKeys(store, prefix),
        expected,
        `list({ prefix: ${JSON.stringify(prefix)} })`,
      );
    }
  },

  'delete removes nothing else': async ({ store }) => {
    await storeAll(store);
    const half = Math.floor(ODD_KEYS.length / 2);
    for (const [index, key] of ODD_KEYS.entries()) {
      // Missing here if the deletion of another key removed it.
      assert.equal((await store.stat(key))?.key, key);
      await store.delete(key);
      assert.equal(await store.stat(key), undefined, 'stat must answer undefined');
      if (index === half) {
        assert.deepEqual(await listedKeys(store), ODD_KEYS.slice(half + 1).sort());
      }
    }
    assert.deepEqual(await listedKeys(store), []);
  },

  'a key that only looks like a stored one is a miss': async ({ store }) => {
    await put(store, 'a/b', contentOf('a'));
    for (const key of ODD_KEYS) if (key !== 'a/b') await assertMiss(store, key);
  },

  ...Object.fromEntries(
    Object.entries(METADATA).map(([what, metadata]) => [
      `metadata is given back exactly: ${what}`,
      async ({ store }: StoreUnderTest) => {
        const written = await put(store, 'key', contentOf('a'), metadata);
        assert.deepEqual({ ...written.metadata }, metadata);
        assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(written));
        assert.equal(written.key, 'key');
      },
    ]),
  ),
};

async function storeAll(store: SnapshotStore): Promise<void> {
  for (const key of ODD_KEYS) await put(store, key, contentOf(key));
}
