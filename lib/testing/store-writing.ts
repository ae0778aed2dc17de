import assert from 'node:assert/strict';
import type { ContractCases } from './contract.js';
import {
  assertContent,
  assertMiss,
  beginToWrite,
  contentOf,
  descriptionOf,
  listedKeys,
  put,
  type StoreUnderTest,
} from './store-content.js';

/** `create`, the writer, and `delete`. */
export const writingCases: ContractCases<StoreUnderTest> = {
  'an object is not readable before commit': async ({ store }) => {
    const writer = await store.create('key', {});
    await assertMiss(store, 'key');
    await writer.write(contentOf('a', 1_000_000));
    await assertMiss(store, 'key');
    await writer.commit();
    await assertContent(store, 'key', contentOf('a', 1_000_000));
  },

  'an unfinished write leaves the stored object': async ({ store }) => {
    const stored = await put(store, 'key', contentOf('old'), { of: 'old' });
    const writer = await store.create('key', { of: 'new' });
    await writer.write(contentOf('new'));
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    await assertContent(store, 'key', contentOf('old'));
    assert.deepEqual(await listedKeys(store), ['key']);
    await writer.abort();
  },

  'chunks of any size are kept in their order': async ({ store }) => {
    const content = contentOf('a', 300_000);
    const writer = await store.create('key', {});
    const cuts = [0, 1, 1, 3, 65_535, 65_536, 65_537, 131_072, 200_000, 300_000];
    for (const [index, cut] of cuts.entries()) {
      await writer.write(content.subarray(cuts[index - 1] ?? 0, cut));
    }
    const { size } = await writer.commit();
    assert.equal(size, content.length);
    await assertContent(store, 'key', content);
  },

  'a chunk may be used again once write resolved': async ({ store }) => {
    const writer = await store.create('key', {});
    const chunk = contentOf('a');
    await writer.write(chunk);
    chunk.fill(0);
    await writer.commit();
    await assertContent(store, 'key', contentOf('a'));
  },

  'metadata is what it was when create was called': async ({ store }) => {
    const metadata = { name: 'before' };
    const creating = store.create('key', metadata);
    metadata.name = 'after';
    await (await creating).commit();
    assert.equal((await store.stat('key'))?.metadata.name, 'before');
  },

  'an aborted write leaves nothing': async ({ store }) => {
    const writer = await beginToWrite(store, 'a');
    await writer.abort();
    await assertMiss(store, 'key');
  },

  'an aborted write leaves the object that was stored before': async ({ store }) => {
    const stored = await put(store, 'key', contentOf('old'), { of: 'old' });
    const writer = await store.create('key', { of: 'new' });
    await writer.write(contentOf('new'));
    await writer.abort();
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    await assertContent(store, 'key', contentOf('old'));
  },

  'abort is idempotent': async ({ store }) => {
    const writer = await store.create('key', {});
    await writer.abort();
    await writer.abort();
    await assertMiss(store, 'key');
  },

  'abort after commit does nothing': async ({ store }) => {
    const writer = await beginToWrite(store, 'a');
    await writer.commit();
    await writer.abort();
    await assertContent(store, 'key', contentOf('a'));
  },

  'a second commit rejects and changes nothing': async ({ store }) => {
    const writer = await beginToWrite(store, 'a');
    const committed = await writer.commit();
    await assert.rejects(writer.commit());
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(committed));
    await assertContent(store, 'key', contentOf('a'));
  },

  'write after commit rejects and changes nothing': async ({ store }) => {
    const writer = await beginToWrite(store, 'a');
    await writer.commit();
    await assert.rejects(writer.write(contentOf('b')));
    await assertContent(store, 'key', contentOf('a'));
  },

  'write and commit after abort reject and store nothing': async ({ store }) => {
    const writer = await store.create('key', {});
    await writer.abort();
    await assert.rejects(writer.write(contentOf('a')));
    await assert.rejects(writer.commit());
    await assertMiss(store, 'key');
  },

  'create rejects when its signal has aborted': async ({ store }) => {
    await assert.rejects(store.create('key', {}, { signal: AbortSignal.abort() }));
    await assertMiss(store, 'key');
  },

  'a signal that aborts aborts the write': async ({ store }) => {
    await put(store, 'key', contentOf('old'));
    const controller = new AbortController();
    const writer = await beginToWrite(store, 'new', { signal: controller.signal });
    controller.abort();
    await assert.rejects(writer.write(contentOf('new')));
    await assert.rejects(writer.commit());
    await writer.abort();
    await assertContent(store, 'key', contentOf('old'));
  },

  'a signal that aborts after commit changes nothing': async ({ store }) => {
    const controller = new AbortController();
    const writer = await beginToWrite(store, 'a', { signal: controller.signal });
    await writer.commit();
    controller.abort();
    await writer.abort();
    await assertContent(store, 'key', contentOf('a'));
  },

  'a replaced object is new in all its parts': async ({ store }) => {
    const old = await put(store, 'key', contentOf('old', 2000), { of: 'old', only: 'in the old' });
    const committed = await put(store, 'key', contentOf('new', 1000), { of: 'new' });
    assert.notEqual(committed.revision, old.revision);
    const stored = await store.stat('key');
    assert.deepEqual(descriptionOf(stored), descriptionOf(committed));
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

  'the last commit of two writes under one key is stored': async ({ store }) => {
    const one = await store.create('key', { of: 'one' });
    const two = await store.create('key', { of: 'two' });
    await one.write(contentOf('one', 500));
    await two.write(contentOf('two', 500));
    await one.write(contentOf('more of one', 500));
    await two.commit();
    await assertContent(store, 'key', contentOf('two', 500));
    const last = await one.commit();
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
