import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { S3Store } from '../../../lib/stores/s3/index.js';
import { storeContract } from '../../../lib/testing/index.js';
import { assertContent, contentOf, listedKeys, put } from '../../../lib/testing/store-content.js';
import { freshRepository, read } from '../../support/fresh-repository.js';
import { startHostApp } from '../../support/host-app.js';
import { type S3Server, startS3Server } from '../../support/s3-server.js';
import { cleanup } from '../../support/temporary-directory.js';

/*
 * Against a server that is not ours. What it cannot be made to do is in `failures.test.ts`.
 */
const MIB = 1024 * 1024;
const resources = cleanup(afterAll);
let server: S3Server;
let client: S3Client;

beforeAll(async () => {
  server = await startS3Server(resources);
  client = new S3Client(server.config);
  resources.defer(() => client.destroy());
});

describe('S3Store contract', () => {
  storeContract({
    test,
    factory: async () => {
      const bucket = await server.makeBucket();
      const options = { bucket, prefix: 'snapshots/', config: server.config };
      // It knows none.
      const make = () => new S3Store({ ...options, conditionalWrites: false });
      return { store: make(), reopen: make };
    },
  });
});

describe('a bucket', () => {
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

  test('has names that people can read, also where keys are odd', async () => {
    const keys = {
      'snapshot/github.com/org/repo': 'snapshot/github.com/org/repo.object',
      'variant/ref=v1/github.com/org/repo': 'variant/ref=v1/github.com/org/repo.object',
      '../a b//é/': '!2e!2e/a!20b/!/!c3!a9/!.object',
      [`long/${'x'.repeat(1500)}`]: expect.stringMatching(/^long_x{59}!![0-9a-f]{64}\.object$/),
      'no text \ud800': expect.stringMatching(/^no_text__!![0-9a-f]{64}\.object$/),
    };
    for (const key of Object.keys(keys)) await put(store, key, contentOf(key));
    expect((await names()).sort()).toEqual(expect.arrayContaining(Object.values(keys)));
    expect(await listedKeys(store)).toEqual(Object.keys(keys).sort());
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
      await expect(store.open('key', { range: { start: 0, end: content.length } })).rejects.toThrow(
        RangeError,
      );
      const stat = await store.stat('key');
      expect({ ...stat?.metadata }).toEqual(described);
      expect(stat?.size).toBe(content.length);
    }
  });

  test('has nothing of a large write before its commit, or after its abort', async () => {
    const writer = await store.create('key', {});
    await writer.write(contentOf('large', 12 * MIB));
    expect(await store.stat('key')).toBeUndefined();
    expect(await names()).toEqual([]);
    await writer.abort();
    expect(await store.stat('key')).toBeUndefined();
  });

  test('may be shared by stores with different prefixes, and with other objects', async () => {
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

  test('is asked for no more than is listed', async () => {
    const requests: string[] = [];
    const counting = new S3Client(server.config);
    counting.middlewareStack.add((next, { commandName = '' }) => async (args) => {
      requests.push(commandName);
      return await next(args);
    });
    resources.defer(() => counting.destroy());
    const counted = new S3Store({ bucket, client: counting });
    for (const key of ['a/1', 'a/2', 'b/1', 'b/2', 'b/3']) await put(store, key, contentOf(key));
    const listed: string[] = [];
    const matching = (key: string) => key.startsWith('a/');
    for await (const { key } of counted.list({ matching })) listed.push(key);
    expect(listed.sort()).toEqual(['a/1', 'a/2']);
    expect(requests).toEqual(['ListObjectsV2Command', 'HeadObjectCommand', 'HeadObjectCommand']);
  });

  test('of a server without conditional writes is written to without', async () => {
    for (const size of [1000, 5 * MIB, 6 * MIB]) {
      const asking = new S3Store({ bucket, client, partSize: 5 * MIB });
      const { revision } = await put(asking, 'key', contentOf('old', size));
      await put(asking, 'key', contentOf('new', size), {}, { replaces: revision });
      await put(asking, 'key', contentOf('newer', size), {}, { replaces: revision });
      await assertContent(asking, 'key', contentOf('newer', size));
    }
  });

  test('that is not there is a failure', async () => {
    const missing = new S3Store({ bucket: 'no-such-bucket', client });
    const failure = { code: 'STORE_FAILED' };
    await expect(put(missing, 'key', contentOf('a'))).rejects.toMatchObject(failure);
    await expect(missing.open('key')).rejects.toMatchObject(failure);
    await expect(listedKeys(missing)).rejects.toMatchObject(failure);
  });
});

test('what one machine has generated another serves, when the upstream is gone as well', async () => {
  const bucket = await server.makeBucket();
  const repository = await freshRepository(resources);
  const start = async () =>
    repository.start({
      dataDir: await resources.directory(),
      store: new S3Store({ bucket, config: server.config }),
    });
  const [first, second] = [await start(), await start()];
  const { bytes, etag, commit } = await read(first, repository.id);
  await first.close({ running: 'wait' });
  await repository.upstream.close();
  const served = await read(second, repository.id);
  expect({ ...served, bytes: served.bytes.equals(bytes) }).toEqual({
    source: 'store',
    bytes: true,
    etag,
    commit,
  });
});

test('clients may be sent to the bucket', async () => {
  const repository = await freshRepository(resources);
  const bucket = await server.makeBucket();
  const { path, upstream } = repository;
  const app = await startHostApp({
    dataDir: await resources.directory(),
    upstreamUrl: upstream.url,
    store: new S3Store({ bucket, config: server.config, serve: 'redirect' }),
  });
  resources.defer(() => app.close());
  const generated = Buffer.from(await (await fetch(app.snapshotUrl(path))).arrayBuffer());
  await app.router.service.refresh(repository.id);
  const response = await fetch(app.snapshotUrl(path));
  expect(response.redirected).toBe(true);
  expect(response.headers.get('content-type')).toBe('application/zstd');
  expect(Buffer.from(await response.arrayBuffer()).equals(generated)).toBe(true);
});

describe('presign', () => {
  let store: S3Store;

  beforeEach(async () => {
    store = new S3Store({ bucket: await server.makeBucket(), client });
  });

  test('gives a URL for everybody, as the type and name that are wanted', async () => {
    const { revision } = await put(store, 'a/b c', contentOf('a'));
    const url = await store.presign('a/b c', {
      expiresIn: 60,
      revision,
      contentType: 'application/zstd',
      contentDisposition: 'attachment; filename="snapshot.tar.zst"',
    });
    const response = await fetch(url ?? '');
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(contentOf('a'))).toBe(true);
    expect(response.headers.get('content-type')).toBe('application/zstd');
    expect(response.headers.get('content-disposition')).toContain('snapshot.tar.zst');
    const part = await fetch(url ?? '', { headers: { range: 'bytes=10-19' } });
    expect(part.status).toBe(206);
  });

  test('gives none of what is not stored, or not as it is', async () => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await put(store, 'key', contentOf('new'));
    expect(await store.presign('key', { expiresIn: 60, revision })).toBeUndefined();
    expect(await store.presign('other', { expiresIn: 60 })).toBeUndefined();
    await put(store, 'key', contentOf('a'), { long: contentOf('a', 3000).toString('hex') });
    expect(await store.presign('key', { expiresIn: 60 })).toBeUndefined();
  });

  test.each([0, -1, 0.5, 604_801, Number.NaN])('takes no %p for seconds', async (expiresIn) => {
    await expect(store.presign('key', { expiresIn })).rejects.toThrow(RangeError);
  });
});

test('a bucket that is not there is a failure, whatever is asked of it', async () => {
  const store = new S3Store({ bucket: 'missing', client });
  const failure = { code: 'STORE_FAILED' };
  await expect(store.stat('key')).rejects.toMatchObject(failure);
  await expect(store.open('key')).rejects.toMatchObject(failure);
  await expect(put(store, 'key', contentOf('a'))).rejects.toMatchObject(failure);
});

// The last one: it ends the server.
test('a server that is gone is a failure, and soon', async () => {
  const bucket = await server.makeBucket();
  const store = new S3Store({ bucket, client });
  await put(store, 'key', contentOf('a'));
  const writer = await store.create('other', {});
  await server.stop();
  const failure = { code: 'STORE_FAILED' };
  await expect(store.stat('key')).rejects.toMatchObject(failure);
  await expect(store.open('key')).rejects.toMatchObject(failure);
  await expect(writer.commit()).rejects.toMatchObject(failure);
  await expect(store.delete('key')).rejects.toMatchObject(failure);
  await expect(listedKeys(store)).rejects.toMatchObject(failure);
});
