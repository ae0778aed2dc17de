import assert from 'node:assert/strict';
import type { ContractCases } from './contract.js';
import {
  assertContent,
  assertMiss,
  beginPut,
  bodyOf,
  contentOf,
  descriptionOf,
  listedKeys,
  put,
  type StoreUnderTest,
} from './store-content.js';

/** `put` and `delete`. */
export const writingCases: ContractCases<StoreUnderTest> = {
  'an object is not readable before its last byte is stored': async ({ store }) => {
    const write = beginPut(store, 'key');
    await assertMiss(store, 'key');
    await write.write(contentOf('a', 1_000_000));
    await assertMiss(store, 'key');
    await write.finish();
    await assertContent(store, 'key', contentOf('a', 1_000_000));
  },

  'an unfinished write leaves the stored object': async ({ store }) => {
    const stored = await put(store, 'key', contentOf('old'), { of: 'old' });
    const write = beginPut(store, 'key', { metadata: { of: 'new' } });
    await write.write(contentOf('new'));
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    await assertContent(store, 'key', contentOf('old'));
    assert.deepEqual(await listedKeys(store), ['key']);
    await write.finish();
  },

  'chunks of any size are kept in their order': async ({ store }) => {
    const content = contentOf('a', 300_000);
    const cuts = [0, 1, 1, 3, 65_535, 65_536, 65_537, 131_072, 200_000, 300_000];
    const chunks = cuts.map((cut, index) => content.subarray(cuts[index - 1] ?? 0, cut));
    const { size } = await store.put('key', bodyOf(...chunks));
    assert.equal(size, content.length);
    await assertContent(store, 'key', content);
  },

  'a chunk may be used again when the store asks for the next one': async ({ store }) => {
    await store.put('key', overwritten([contentOf('a'), contentOf('b')]));
    await assertContent(store, 'key', Buffer.concat([contentOf('a'), contentOf('b')]));
  },

  'metadata is what it was when put was called': async ({ store }) => {
    const metadata = { name: 'before' };
    const write = beginPut(store, 'key', { metadata });
    metadata.name = 'after';
    await write.finish();
    assert.equal((await store.stat('key'))?.metadata.name, 'before');
  },

  'a write whose body fails rejects with its error, and leaves nothing': async ({ store }) => {
    const write = beginPut(store, 'key');
    await write.write(contentOf('a'));
    await write.fail();
    await assertMiss(store, 'key');
  },

  'a write whose body fails leaves the object that was stored before': async ({ store }) => {
    const stored = await put(store, 'key', contentOf('old'), { of: 'old' });
    const write = beginPut(store, 'key', { metadata: { of: 'new' } });
    await write.write(contentOf('new'));
    await write.fail();
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    await assertContent(store, 'key', contentOf('old'));
  },

  'put rejects with the reason of a signal that has aborted': async ({ store }) => {
    const reason = new Error('too late');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(put(store, 'key', contentOf('a'), {}, { signal }), is(reason));
    await assertMiss(store, 'key');
  },

  'a signal that aborts during the write ends it and its body': async ({ store }) => {
    await put(store, 'key', contentOf('old'));
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    let hasEnded = false;
    const body = async function* () {
      try {
        yield contentOf('a');
        controller.abort(reason);
        for (let index = 0; index < 100; index += 1) yield contentOf('new');
      } finally {
        hasEnded = true;
      }
    };
    const { signal } = controller;
    await assert.rejects(store.put('key', body(), { signal }), is(reason));
    await assertContent(store, 'key', contentOf('old'));
    assert.ok(hasEnded, 'the body must be ended');
  },

  'a signal that aborts at the end of the body ends the write': async ({ store }) => {
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const body = async function* () {
      yield contentOf('a');
      controller.abort(reason);
    };
    const { signal } = controller;
    await assert.rejects(store.put('key', body(), { signal }), is(reason));
    await assertMiss(store, 'key');
  },

  'a signal that aborts after the write changes nothing': async ({ store }) => {
    const controller = new AbortController();
    await put(store, 'key', contentOf('a'), {}, { signal: controller.signal });
    controller.abort();
    await assertContent(store, 'key', contentOf('a'));
  },

  'a replaced object is new in all its parts': async ({ store }) => {
    const old = await put(store, 'key', contentOf('old', 2000), { of: 'old', only: 'in the old' });
    const written = await put(store, 'key', contentOf('new', 1000), { of: 'new' });
    assert.notEqual(written.revision, old.revision);
    const stored = await store.stat('key');
    assert.deepEqual(descriptionOf(stored), descriptionOf(written));
    assert.equal(stored?.size, 1000);
    assert.deepEqual({ ...stored?.metadata }, { of: 'new' });
    await assertContent(store, 'key', contentOf('new', 1000));
    assert.deepEqual(await listedKeys(store), ['key']);
  },

  'equal bytes stored again are another revision': async ({ store }) => {
    const first = await put(store, 'key', contentOf('a'), { of: 'old' });
    const second = await put(store, 'key', contentOf('a'), { of: 'new' });
    assert.notEqual(first.revision, second.revision);
  },

  'the last of two writes under one key to end is stored': async ({ store }) => {
    const [one, two] = ['one', 'two'].map((of) => beginPut(store, 'key', { metadata: { of } }));
    assert.ok(one && two);
    await one.write(contentOf('one', 500));
    await two.write(contentOf('two', 500));
    await one.write(contentOf('more of one', 500));
    await two.finish();
    await assertContent(store, 'key', contentOf('two', 500));
    const last = await one.finish();
    const content = Buffer.concat([contentOf('one', 500), contentOf('more of one', 500)]);
    await assertContent(store, 'key', content);
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(last));
    assert.equal(last.metadata.of, 'one');
  },

  'delete removes the object': async ({ store }) => {
    await put(store, 'key', contentOf('a'));
    await store.delete('key');
    await assertMiss(store, 'key');
  },

  'delete is idempotent': async ({ store }) => {
    await store.delete('key');
    await put(store, 'key', contentOf('a'));
    await store.delete('key');
    await store.delete('key');
    await assertMiss(store, 'key');
  },

  'a deleted key can be stored again': async ({ store }) => {
    await put(store, 'key', contentOf('old'));
    await store.delete('key');
    await put(store, 'key', contentOf('new'));
    await assertContent(store, 'key', contentOf('new'));
  },
};

const is = (reason: unknown) => (error: unknown) => error === reason;

/** Gives all chunks in one piece of memory. */
async function* overwritten(chunks: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(Math.max(...chunks.map(({ length }) => length)));
  for (const chunk of chunks) {
    chunk.copy(memory);
    yield memory.subarray(0, chunk.length);
  }
  memory.fill(0);
}
