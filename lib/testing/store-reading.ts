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

  'commit, stat, open and list describe an object alike': async ({ store }) => {
    const committed = await put(store, 'key', contentOf('a', 1000), { name: 'value' });
    const expected = descriptionOf(committed);
    assert.equal(committed.key, 'key');
    assert.equal(committed.size, 1000);
    assert.ok(Math.abs(committed.storedAt - Date.now()) < DAY, 'storedAt must be in milliseconds');

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

  'a range outside the object throws a RangeError': async ({ store }) => {
    await put(store, 'key', contentOf('a', 10));
    const outside = [
      [10, 10],
      [0, 10],
      [9, 10],
      [5, 4],
      [-1, 5],
      [-3, -1],
      [0.5, 2],
      [0, Number.NaN],
      [0, Number.POSITIVE_INFINITY],
    ] as const;
    for (const [start, end] of outside) {
      await assert.rejects(
        store.open('key', { range: { start, end } }),
        { name: 'RangeError' },
        `${start}-${end} of 10 bytes`,
      );
    }
  },

  'an object of no bytes has no range': async ({ store }) => {
    await put(store, 'key', Buffer.alloc(0));
    const opening = store.open('key', { range: { start: 0, end: 0 } });
    await assert.rejects(opening, { name: 'RangeError' });
  },

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
    const committed = await put(store, 'key', old, { of: 'old' });
    const opened = await mustOpen(store, 'key');
    const chunks = opened.body[Symbol.asyncIterator]();
    const first = await chunks.next();
    await put(store, 'key', contentOf('new', LARGE), { of: 'new' });
    assertBytes(Buffer.concat([first.value, await rest(chunks)]), old);
    assert.deepEqual(descriptionOf(opened), descriptionOf(committed));
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

  'stat and open reject when their signal has aborted': async ({ store }) => {
    await put(store, 'key', contentOf('a'));
    const signal = AbortSignal.abort();
    await assert.rejects(store.stat('key', { signal }));
    await assert.rejects(store.open('key', { signal }));
  },

  'a body is destroyed when its signal aborts': async ({ store }) => {
    await put(store, 'key', contentOf('a', LARGE));
    const controller = new AbortController();
    const { body } = await mustOpen(store, 'key', { signal: controller.signal });
    const chunks = body[Symbol.asyncIterator]();
    await chunks.next();
    controller.abort();
    await assert.rejects(rest(chunks));
    assert.ok(body.destroyed);
  },
};

function rangeCases(ranges: Readonly<Record<string, ByteRange>>): ContractCases<StoreUnderTest> {
  return Object.fromEntries(
    Object.entries(ranges).map(([what, range]) => [
      `a range gives ${what} and describes the whole`,
      async ({ store }) => {
        const content = contentOf('a', 200_000);
        const committed = await put(store, 'key', content);
        const opened = await mustOpen(store, 'key', { range });
        assertBytes(await rest(opened.body), content.subarray(range.start, range.end + 1));
        assert.deepEqual(descriptionOf(opened), descriptionOf(committed));
      },
    ]),
  );
}
