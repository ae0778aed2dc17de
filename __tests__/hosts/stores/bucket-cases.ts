import type { BucketStore } from '../../../lib/stores/bucket/bucket-store.js';
import { storeContract } from '../../../lib/testing/index.js';
import {
  assertContent,
  beginPut,
  beginToRead,
  contentOf,
  listedKeys,
  mustOpen,
  put,
} from '../../../lib/testing/store-content.js';
import { freshRepository, read } from '../../support/fresh-repository.js';
import { cleanup } from '../../support/temporary-directory.js';

const MIB = 1024 * 1024;

/** Options that all stores of buckets have. */
export interface CommonOptions {
  readonly prefix?: string;
  readonly partSize?: number;
  readonly serve?: 'stream' | 'redirect';
}

export interface BucketScene {
  /** Makes a store in a bucket; default: one that is missing. */
  makeStore(bucket: string | undefined, options?: CommonOptions): BucketStore;
  /** @returns the name of a new one. */
  makeBucket(): Promise<string>;
  /** The names of all objects. */
  names(bucket: string): Promise<string[]>;
  /** Puts an object of somebody else. */
  putOther(bucket: string, name: string): Promise<unknown>;
}

/** Cases for the emulators of GCS and Azure. */
export function bucketCases(name: string, scene: BucketScene): void {
  const { directory, defer } = cleanup(afterAll);
  let bucket: string;

  function make(options?: CommonOptions): BucketStore {
    const store = scene.makeStore(bucket, options);
    defer(() => store.close());
    return store;
  }

  describe(`${name} keeps the contract`, () => {
    beforeAll(async () => {
      bucket = await scene.makeBucket();
    });

    let stores = 0;
    storeContract({
      test,
      factory: () => {
        const prefix = `snapshots/${++stores}/`;
        return { store: make({ prefix }), reopen: () => make({ prefix }) };
      },
    });
  });

  describe(`The bucket of ${name}`, () => {
    let store: BucketStore;

    beforeEach(async () => {
      bucket = await scene.makeBucket();
      store = make({ partSize: MIB });
    });

    test('takes bodies of several parts, with any metadata, and gives back ranges', async () => {
      const content = contentOf('large', 3.5 * MIB);
      for (const metadata of [{}, { text: contentOf('text', 3000).toString('base64') }]) {
        const { revision } = await put(store, 'key', content, metadata);
        await assertContent(store, 'key', content);
        const range = { start: MIB - 1, end: 2 * MIB };
        const part = content.subarray(range.start, range.end + 1);
        await assertContent(store, 'key', part, { range, revision });
        const last = { start: content.length - 1, end: content.length - 1 };
        await assertContent(store, 'key', content.subarray(-1), { range: last });
        const beyond = { start: 0, end: content.length };
        await expect(store.open('key', { range: beyond })).rejects.toThrow(RangeError);
        expect(await store.stat('key')).toMatchObject({ metadata, size: content.length });
        expect(await store.open('key', { range, revision: 'other' })).toBeUndefined();
      }
    });

    test('takes bodies that end where a part ends, and empty ones', async () => {
      for (const size of [0, 1, MIB, 2 * MIB]) {
        const content = contentOf('a', size);
        await put(store, 'key', content);
        await assertContent(store, 'key', content);
      }
    });

    test('shows nothing of a large write before its end, or after its failure or abort', async () => {
      const failing = beginPut(store, 'key');
      await failing.write(contentOf('large', 2.5 * MIB));
      expect(await scene.names(bucket)).toEqual([]);
      await failing.fail();
      expect(await scene.names(bucket)).toEqual([]);
      const controller = new AbortController();
      const reason = new Error('no longer wanted');
      const aborted = beginPut(store, 'key', { signal: controller.signal });
      await aborted.write(contentOf('large', 2.5 * MIB));
      controller.abort(reason);
      await expect(aborted.finish()).rejects.toBe(reason);
      expect(await scene.names(bucket)).toEqual([]);
    });

    test('refuses a large write whose condition stops to hold while it sends its parts', async () => {
      const { revision } = await put(store, 'key', contentOf('old', 1.5 * MIB));
      for (const [key, ifRevision] of [
        ['key', revision],
        ['new', null],
      ] as const) {
        const late = beginPut(store, key, { ifRevision });
        await late.write(contentOf('late', 1.5 * MIB));
        await put(store, key, contentOf('between', 1.5 * MIB), {}, { ifRevision });
        await late.write(contentOf('late', 10));
        await expect(late.finish()).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
        await assertContent(store, key, contentOf('between', 1.5 * MIB));
      }
    });

    test('keeps a copy of a replaced object, with its metadata', async () => {
      const metadata = { text: contentOf('text', 3000).toString('base64') };
      const content = contentOf('old', 2.5 * MIB);
      const { revision } = await put(store, 'key', content, metadata);
      await put(store, 'key', contentOf('new'), {}, { ifRevision: revision });
      expect(await store.listReplaced('key')).toMatchObject([{ revision, metadata }]);
      await assertContent(make(), 'key', content, { revision });
      const names = [`!replaced/key.object/${revision}`, 'key.object'];
      expect((await scene.names(bucket)).sort()).toEqual(names);
      await store.delete('key');
      expect(await scene.names(bucket)).toEqual([]);
    });

    test('can be shared by stores with different prefixes, and with other objects', async () => {
      const [one, two] = [make({ prefix: 'one/' }), make({ prefix: 'one/two/' })];
      await put(one, 'key', contentOf('one'));
      await put(two, 'key', contentOf('two'));
      await scene.putOther(bucket, 'one/other.object');
      await scene.putOther(bucket, 'one/key');
      expect(await listedKeys(one)).toEqual(['key']);
      expect(await listedKeys(two)).toEqual(['key']);
      expect(await one.stat('other')).toBeUndefined();
      expect(await one.open('other')).toBeUndefined();
      await one.delete('key');
      expect(await listedKeys(two)).toEqual(['key']);
    });

    test('goes on with other downloads when one is given up', async () => {
      const content = contentOf('large', 8 * MIB);
      await put(store, 'key', content);
      const { body } = await mustOpen(store, 'key');
      const readOn = await beginToRead(store, 'key');
      await new Promise<unknown>((resolve) => body.once('data', resolve));
      const signal = new AbortController();
      const other = await mustOpen(store, 'key', { signal: signal.signal });
      other.body.once('error', () => {});
      body.destroy();
      signal.abort();
      expect((await readOn()).equals(content)).toBe(true);
    });

    test('can be read by everybody who has a URL of it, as what the URL says', async () => {
      const { revision } = await put(store, 'a/b c', contentOf('a'));
      const redirecting = make({ serve: 'redirect' });
      const url = await redirecting.getDownloadUrl?.('a/b c', {
        revision,
        contentType: 'application/zstd',
        contentDisposition: 'attachment; filename="snapshot.tar.zst"',
      });
      const response = await fetch(url ?? '');
      expect(response.status).toBe(200);
      expect(Buffer.from(await response.arrayBuffer()).equals(contentOf('a'))).toBe(true);
      expect(url).toContain('application%2Fzstd');
      expect(await store.presign('a/b c', { expiresIn: 60, revision: 'other' })).toBeUndefined();
      expect(await store.presign('other', { expiresIn: 60 })).toBeUndefined();
      await expect(store.presign('a/b c', { expiresIn: 0 })).rejects.toThrow(RangeError);
    });

    test('makes reads, writes and lists fail when it does not exist', async () => {
      const missing = scene.makeStore(undefined);
      defer(() => missing.close());
      const failure = { code: 'STORE_FAILED' };
      await expect(put(missing, 'key', contentOf('a'))).rejects.toMatchObject(failure);
      await expect(missing.stat('key')).rejects.toMatchObject(failure);
      await expect(missing.open('key')).rejects.toThrow(/open of "key" in the .* missing-bucket: /);
      await expect(listedKeys(missing)).rejects.toMatchObject(failure);
    });

    test('serves a snapshot to one machine that another one has built', async () => {
      const repository = await freshRepository({ directory, defer });
      const start = async () => repository.start({ dataDir: await directory(), store: make() });
      const [first, second] = [await start(), await start()];
      const { bytes, etag, commit } = await read(first, repository.snapshot);
      await first.close({ drain: true });
      await repository.upstream.close();
      const served = await read(second, repository.snapshot);
      expect({ ...served, bytes: served.bytes.equals(bytes) }).toEqual({
        source: 'store',
        bytes: true,
        etag,
        commit,
      });
    });
  });
}
