import { once } from 'node:events';
import { S3Client } from '@aws-sdk/client-s3';
import { S3Store, type S3StoreOptions } from '../../../lib/stores/s3/index.js';
import { assertContent, contentOf, put } from '../../../lib/testing/store-content.js';
import { FakeS3 } from '../../support/fake-s3.js';
import { cleanup } from '../../support/temporary-directory.js';

const { defer } = cleanup(afterEach);
const MIB = 1024 * 1024;

test.each<[string, Partial<S3StoreOptions>]>([
  ['bucket', { bucket: '' }],
  ['bucket', { bucket: 's3://bucket' }],
  ['client', { client: Object.create(null) }],
  ['prefix', { prefix: 'x'.repeat(257) }],
  ['prefix', { prefix: 'é'.repeat(129) }],
  ['config', { client: new S3Client(), config: {} }],
  ['partSize', { partSize: 5 * MIB - 1 }],
  ['partSize', { partSize: 5 * MIB + 0.5 }],
  ['partSize', { partSize: Number.NaN }],
  ['concurrentParts', { concurrentParts: 0 }],
  ['concurrentParts', { concurrentParts: 65 }],
  ['urlLifetime', { urlLifetime: 0 }],
  ['urlLifetime', { urlLifetime: 604_801 }],
])('A wrong %s is refused with its name', (name, wrong) => {
  expect(() => new S3Store({ bucket: 'bucket', ...wrong })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
  );
});

test('An unknown option is refused with its name', () => {
  const options = { bucket: 'bucket', region: 'eu-central-1' };
  expect(() => new S3Store(options)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('region'),
    }),
  );
});

test('The longest prefix leaves room for every key', async () => {
  const s3 = await FakeS3.start(defer);
  const prefix = 'x'.repeat(256);
  const store = new S3Store({ bucket: 'bucket', prefix, config: s3.config });
  defer(() => store.close());
  for (const key of ['a'.repeat(512), '/'.repeat(512), 'é'.repeat(1024)]) {
    await put(store, key, contentOf(key));
    await assertContent(store, key, contentOf(key));
  }
  expect(s3.objects.size).toBe(3);
  for (const name of s3.objects.keys()) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(1024);
});

describe('Closing an S3Store', () => {
  test('ends the connections of a client that the store made', async () => {
    const s3 = await FakeS3.start(defer);
    const store = new S3Store({ bucket: 'bucket', config: s3.config });
    await put(store, 'key', contentOf('a'));
    const socket = s3.requests[0]?.req.socket;
    expect(socket?.destroyed).toBe(false);
    await store.close();
    if (socket !== undefined && !socket.destroyed) await once(socket, 'close');
  });

  test('leaves a client open that it was given', async () => {
    const s3 = await FakeS3.start(defer);
    const client = new S3Client(s3.config);
    defer(() => client.destroy());
    const store = new S3Store({ bucket: 'bucket', client });
    await put(store, 'key', contentOf('a'));
    await store.close();
    await put(new S3Store({ bucket: 'bucket', client }), 'key', contentOf('b'));
    expect(s3.requests[1]?.req.socket).toBe(s3.requests[0]?.req.socket);
  });
});
