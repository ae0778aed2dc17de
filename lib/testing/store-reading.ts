import assert from 'node:assert/strict';
import type { ByteRange } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertBytes,
  assertContent,
  assertMiss,
  beginToRead,
  contentOf,
  descriptionOf,
  LARGE,
  mustOpen,
  put,
  rest,
  type StoreUnderTest,
} from './store-content.js';

const DAY = 24 * 60 * 60_000;

/** `stat`, `open` and `list`. */
export const readingCases: ContractCases<StoreUnderTest> = {
  'a key under which nothing was stored is a miss': async ({ store }) => {
    await assertMiss(store, 'key');
  },

  'put, stat, open and list describe an object alike': async ({ store }) => {
    const written = await put(store, 'key', contentOf('a', 1000), { name: 'value' });
    const expected = descriptionOf(written);
    assert.equal(written.key, 'key');
    assert.equal(written.size, 1000);
    assert.ok(Math.abs(written.storedAt - Date.now()) < DAY, 'storedAt must be in milliseconds');

    assert.deepEqual(descriptionOf(await store.stat('key')), expected);
    const opened = await mustOpen(store, 'key');
    opened.body.destroy();
    assert.deepEqual(descriptionOf(opened), expected);
    const listed: unknown[] = [];
    for await (const object of store.list()) listed.push(descriptionOf(object));
    assert.deepEqual(listed, [expected]);
  },

  'an object of no bytes is an object': async ({ store }) => {
    const { size } = await put(store, 'key', Buffer.alloc(0), { name: 'value' });
    assert.equal(size, 0);
    assert.ok(await store.stat('key'));
    await assertContent(store, 'key', Buffer.alloc(0));
  },

  'an object of several MiB is read as it was written': async ({ store }) => {
    await put(store, 'key', contentOf('large', LARGE));
    await assertContent(store, 'key', contentOf('large', LARGE));
  },

  ...rangeCases({
    'the first byte': { start: 0, end: 0 },
    'the last byte': { start: 199_999, end: 199_999 },
    'the whole object': { start: 0, end: 199_999 },
    'the bytes around 64 KiB': { start: 65_535, end: 65_536 },
    'bytes up to the end': { start: 70_001, end: 199_999 },
  }),

  'open returns the requested revision': async ({ store }) => {
    const { revision } = await put(store, 'key', contentOf('a'));
    const opened = await mustOpen(store, 'key', { revision });
    assert.equal(opened.revision, revision);
    assertBytes(await rest(opened.body), contentOf('a'));
  },

  'open returns nothing if another revision is stored': async ({ store }) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await put(store, 'key', contentOf('new'));
    assert.equal(await store.open('key', { revision }), undefined);
  },

  'a body that is being read keeps its revision when the object is replaced': async ({ store }) => {
    const old = contentOf('old', LARGE);
    const written = await put(store, 'key', old, { of: 'old' });
    const opened = await mustOpen(store, 'key');
    const chunks = opened.body[Symbol.asyncIterator]();
    const first = await chunks.next();
    await put(store, 'key', contentOf('new', LARGE), { of: 'new' });
    assertBytes(Buffer.concat([first.value, await rest(chunks)]), old);
    assert.deepEqual(descriptionOf(opened), descriptionOf(written));
  },

  'a body that was opened before a replacement is of one revision': async ({ store }) => {
    await put(store, 'key', contentOf('old', LARGE), { of: 'old' });
    const { body, metadata } = await mustOpen(store, 'key');
    await put(store, 'key', contentOf('new', LARGE), { of: 'new' });
    assertBytes(await rest(body), contentOf(String(metadata.of), LARGE));
  },

  'a body that is being read is not disturbed by delete': async ({ store }) => {
    await put(store, 'key', contentOf('a', LARGE));
    const readOn = await beginToRead(store, 'key');
    await store.delete('key');
    assertBytes(await readOn(), contentOf('a', LARGE));
  },

  'bodies of one object are independent': async ({ store }) => {
    await put(store, 'key', contentOf('a', LARGE));
    const opening = Array.from({ length: 3 }, () => mustOpen(store, 'key'));
    const [left, ...others] = await Promise.all(opening);
    left?.body.destroy();
    const read = await Promise.all(others.map(({ body }) => rest(body)));
    for (const bytes of read) assertBytes(bytes, contentOf('a', LARGE));
  },

  'a reader that changes its chunks does not change the object': async ({ store }) => {
    await put(store, 'key', contentOf('a', 100_000));
    const { body } = await mustOpen(store, 'key');
    for await (const chunk of body) chunk.fill(0);
    await assertContent(store, 'key', contentOf('a', 100_000));
  },

  'a body is destroyed when its signal aborts': async ({ store }) => {
    await put(store, 'key', contentOf('a', LARGE));
    const controller = new AbortController();
    const { body } = await mustOpen(store, 'key', { signal: controller.signal });
    controller.abort();
    await assert.rejects(rest(body));
    assert.ok(body.destroyed);
  },
};

function rangeCases(ranges: Readonly<Record<string, ByteRange>>): ContractCases<StoreUnderTest> {
  return Object.fromEntries(
    Object.entries(ranges).map(([what, range]) => [
      `a range gives ${what} and describes the whole`,
      async ({ store }) => {
        const content = contentOf('a', 200_000);
        const written = await put(store, 'key', content);
        const opened = await mustOpen(store, 'key', { range });
        assertBytes(await rest(opened.body), content.subarray(range.start, range.end + 1));
        assert.deepEqual(descriptionOf(opened), descriptionOf(written));
      },
    ]),
  );
}
