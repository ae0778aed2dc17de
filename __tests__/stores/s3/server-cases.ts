import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { S3Store } from '../../../lib/stores/s3/index.js';
import { storeContract } from '../../../lib/testing/index.js';
import {
  assertContent,
  beginPut,
  contentOf,
  listedKeys,
  put,
} from '../../../lib/testing/store-content.js';
import { freshRepository } from '../../support/fresh-repository.js';
import { type S3Server, startS3Server } from '../../support/s3-server.js';
import { cleanup } from '../../support/temporary-directory.js';
import { expectServedByTheOther } from '../bucket/two-machines.js';

const MIB = 1024 * 1024;

/** A server that all cases of a suite share. */
export interface ServerScene {
  /** @returns the name of a new one. */
  makeBucket(): Promise<string>;
  client(): S3Client;
}

/**
 * Cases for a real server. For what such a server cannot be made to do, see `failures.test.ts`.
 *
 * @param ofItsOwn registers what only this server can show.
 */
export function serverCases(
  name: 'fauxqs' | 'swift',
  ofItsOwn: (scene: ServerScene) => void = () => {},
): void {
  const resources = cleanup(afterAll);
  let server: S3Server;
  let client: S3Client;

  beforeAll(async () => {
    server = await startS3Server(resources, name);
    client = new S3Client(server.config);
    resources.defer(() => client.destroy());
  });

  describe('An S3Store keeps the contract', () => {
    let bucket: string;
    let stores = 0;

    beforeAll(async () => {
      bucket = await server.makeBucket();
    });

    storeContract({
      test,
      factory: async () => {
        // Each test has a prefix of its own: Swift takes long to make a bucket.
        const prefix = `snapshots/${++stores}/`;
        // Neither server evaluates conditions.
        const options = { bucket, prefix, client, conditionalWrites: false };
        const make = () => new S3Store(options);
        return { store: make(), reopen: make };
      },
    });
  });

  describe('A bucket of an S3Store', () => {
    let bucket: string;
    let store: S3Store;

    beforeEach(async () => {
      bucket = await server.makeBucket();
      store = new S3Store({ bucket, client, partSize: 5 * MIB });
    });

    const names = async () => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
      return Contents.map(({ Key }) => Key);
    };

    test('has readable object names, also for odd keys', async () => {
      const keys = {
        'v1/github.com/org/repo/snapshot': 'v1/github.com/org/repo/snapshot.object',
        'v1/github.com/org/repo/snapshot&ref=v1': 'v1/github.com/org/repo/snapshot&ref=v1.object',
        '../a b//é/': '!2e!2e/a!20b/!/!c3!a9/!.object',
        [`long/${'x'.repeat(1500)}`]: expect.stringMatching(/^long\/x{395}!![0-9a-f]{64}\.object$/),
        'no text \ud800': expect.stringMatching(/^no!20text!20!ef!bf!bd!![0-9a-f]{64}\.object$/),
      };
      for (const key of Object.keys(keys)) await put(store, key, contentOf(key));
      expect((await names()).sort()).toEqual(expect.arrayContaining(Object.values(keys)));
      expect(await listedKeys(store)).toEqual(Object.keys(keys).sort());
    });

    test('keeps a copy of a replaced object, also of one with several parts', async () => {
      const metadata = { text: contentOf('text', 3000).toString('base64') };
      const content = contentOf('old', 12 * MIB);
      const { revision } = await put(store, 'key', content, metadata);
      await put(store, 'key', contentOf('new'), {}, { ifRevision: revision });
      expect(await store.listReplaced('key')).toMatchObject([{ revision, metadata }]);
      await assertContent(store, 'key', content, { revision });
      expect(await names()).toEqual([`!replaced/key.object/${revision}`, 'key.object']);
      await store.delete('key');
      expect(await names()).toEqual([]);
    });

    test('takes objects of several parts, with any metadata', async () => {
      const content = contentOf('large', 12 * MIB);
      const metadata = { text: contentOf('text', 3000).toString('base64') };
      for (const described of [{}, metadata]) {
        const { revision } = await put(store, 'key', content, described);
        await assertContent(store, 'key', content);
        const range = { start: 5 * MIB - 1, end: 10 * MIB };
        const part = content.subarray(range.start, range.end + 1);
        await assertContent(store, 'key', part, { range, revision });
        const last = { start: content.length - 1, end: content.length - 1 };
        await assertContent(store, 'key', content.subarray(-1), { range: last });
        await expect(
          store.open('key', { range: { start: 0, end: content.length } }),
        ).rejects.toThrow(RangeError);
        const stat = await store.stat('key');
        expect({ ...stat?.metadata }).toEqual(described);
        expect(stat?.size).toBe(content.length);
      }
    });

    test('shows nothing of a large write before its end or after its failure', async () => {
      const write = beginPut(store, 'key');
      await write.write(contentOf('large', 12 * MIB));
      expect(await store.stat('key')).toBeUndefined();
      expect(await names()).toEqual([]);
      await write.fail();
      expect(await store.stat('key')).toBeUndefined();
    });

    test('can be shared by stores with different prefixes, and with other objects', async () => {
      const [one, two] = ['one/', 'one/two/'].map(
        (prefix) => new S3Store({ bucket, client, prefix }),
      );
      if (one === undefined || two === undefined) throw new Error('no stores');
      await put(one, 'key', contentOf('one'));
      await put(two, 'key', contentOf('two'));
      for (const name of ['one/key', 'one/other.object', 'one/two/x.object']) {
        await client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: 'x' }));
      }
      for (const [owner, seed] of [
        [one, 'one'],
        [two, 'two'],
      ] as const) {
        expect(await listedKeys(owner)).toEqual(['key']);
        await assertContent(owner, 'key', contentOf(seed));
      }
      await one.delete('key');
      expect(await listedKeys(two)).toEqual(['key']);
    });

    test('is listed completely, also in several pages', async () => {
      const paging = new S3Client(server.config);
      resources.defer(() => paging.destroy());
      let pages = 0;
      paging.middlewareStack.add((send, { commandName }) => (args) => {
        if (commandName === 'ListObjectsV2Command') {
          Object.assign(args.input, { MaxKeys: 10 });
          pages += 1;
        }
        return send(args);
      });
      const keys = Array.from({ length: 25 }, (_, i) => `key-${10 + i}`);
      for (const key of keys) await put(store, key, contentOf(key));
      expect(await listedKeys(new S3Store({ bucket, client: paging }))).toEqual(keys);
      expect(pages).toBe(3);
    });

    test('gets requests only about objects that a list returns, however many others there are', async () => {
      const requests: string[] = [];
      const counting = new S3Client(server.config);
      counting.middlewareStack.add((next, { commandName = '' }) => async (args) => {
        if (commandName === 'ListObjectsV2Command') Object.assign(args.input, { MaxKeys: 10 });
        requests.push(commandName);
        return await next(args);
      });
      resources.defer(() => counting.destroy());
      const counted = new S3Store({ bucket, client: counting });
      const others = Array.from({ length: 300 }, (_, index) => `a${index}/1`);
      await Promise.all(['a/1', 'a/2', ...others].map((key) => put(store, key, contentOf(key))));
      expect(await listedKeys(counted, 'a/')).toEqual(['a/1', 'a/2']);
      expect(requests).toEqual(['ListObjectsV2Command', 'HeadObjectCommand', 'HeadObjectCommand']);
    });

    test('makes reads, writes and lists fail when it does not exist', async () => {
      const missing = new S3Store({ bucket: 'no-such-bucket', client });
      const failure = { code: 'STORE_FAILED' };
      await expect(put(missing, 'key', contentOf('a'))).rejects.toMatchObject(failure);
      await expect(missing.stat('key')).rejects.toMatchObject(failure);
      await expect(missing.open('key')).rejects.toMatchObject(failure);
      await expect(listedKeys(missing)).rejects.toMatchObject(failure);
    });
  });

  test('One machine serves a snapshot that another one has built, even if the upstream is gone', async () => {
    const bucket = await server.makeBucket();
    const make = () => new S3Store({ bucket, config: server.config });
    await expectServedByTheOther(make, resources);
  });

  test('An app can redirect its clients to the bucket', async () => {
    const repository = await freshRepository(resources);
    const bucket = await server.makeBucket();
    const { path } = repository;
    const store = new S3Store({ bucket, config: server.config, serve: 'redirect' });
    const app = await repository.startApp({ store });
    const built = Buffer.from(await (await fetch(app.snapshotUrl(path))).arrayBuffer());
    await app.router.service.refresh(repository.id);
    const response = await fetch(app.snapshotUrl(path));
    expect(response.redirected).toBe(true);
    const { searchParams } = new URL(response.url);
    expect(searchParams.get('response-content-type')).toBe('application/zstd');
    expect(Buffer.from(await response.arrayBuffer()).equals(built)).toBe(true);
  });

  describe('presign()', () => {
    let store: S3Store;

    beforeEach(async () => {
      store = new S3Store({ bucket: await server.makeBucket(), client });
    });

    test('returns a URL that works for everybody', async () => {
      const { revision } = await put(store, 'a/b c', contentOf('a'));
      const url = await store.presign('a/b c', { expiresIn: 60, revision });
      const response = await fetch(url ?? '');
      expect(response.status).toBe(200);
      expect(Buffer.from(await response.arrayBuffer()).equals(contentOf('a'))).toBe(true);
      const part = await fetch(url ?? '', { headers: { range: 'bytes=10-19' } });
      expect(part.status).toBe(206);
    });

    test('returns no URL for an object that is missing, replaced or stored in two pieces', async () => {
      const { revision } = await put(store, 'key', contentOf('old'));
      await put(store, 'key', contentOf('new'));
      expect(await store.presign('key', { expiresIn: 60, revision })).toBeUndefined();
      expect(await store.presign('other', { expiresIn: 60 })).toBeUndefined();
      await put(store, 'key', contentOf('a'), { long: contentOf('a', 3000).toString('hex') });
      expect(await store.presign('key', { expiresIn: 60 })).toBeUndefined();
    });

    test.each([0, -1, 0.5, 604_801, Number.NaN])(
      'refuses %p as a number of seconds',
      async (expiresIn) => {
        await expect(store.presign('key', { expiresIn })).rejects.toThrow(RangeError);
      },
    );
  });

  ofItsOwn({ makeBucket: () => server.makeBucket(), client: () => client });

  // The last one: it ends the server.
  test('Every request to a server that is gone fails', async () => {
    const bucket = await server.makeBucket();
    const store = new S3Store({ bucket, client });
    await put(store, 'key', contentOf('a'));
    await server.stop();
    const failure = { code: 'STORE_FAILED' };
    await expect(store.stat('key')).rejects.toMatchObject(failure);
    await expect(store.open('key')).rejects.toMatchObject(failure);
    await expect(put(store, 'other', contentOf('b'))).rejects.toMatchObject(failure);
    await expect(store.delete('key')).rejects.toMatchObject(failure);
    await expect(listedKeys(store)).rejects.toMatchObject(failure);
  });
}
