import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { S3Store } from '../../../lib/stores/s3/index.js';
import { storeContract } from '../../../lib/testing/index.js';
import { assertContent, contentOf, listedKeys, put } from '../../../lib/testing/store-content.js';
import { fakeDate } from '../../support/fake-date.js';
import { type Cleanup, cleanup } from '../../support/temporary-directory.js';

const MIB = 1024 * 1024;
const PART = 5 * MIB;
export const KEYS = { accessKeyId: 'test', secretAccessKey: 'secret-of-test' };

export interface S3Server {
  /** @returns its URL. */
  start(resources: Cleanup): Promise<string>;
  /** Whether it checks conditions when an upload in parts is completed. */
  readonly checksUploads: boolean;
  readonly checksSignatures: boolean;
  /** Tests of the contract with keys that the server does not take. */
  readonly tooLong?: readonly string[];
}

/** The tests of an `S3Store` with a server. */
export function s3ServerCases(server: S3Server): void {
  const resources = cleanup(afterAll);
  const each = cleanup(afterEach);
  let client: S3Client;
  let buckets = 0;
  let bucket: string;

  beforeAll(async () => {
    const endpoint = await server.start(resources);
    client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: KEYS,
    });
    resources.defer(() => client.destroy());
  });

  beforeEach(async () => {
    bucket = `bucket-${++buckets}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  });

  const make = () => new S3Store({ bucket, client, partSize: PART });

  describe('an S3Store keeps the contract, also in several parts:', () => {
    storeContract({
      test: (name, run) => {
        if (!server.tooLong?.includes(name)) test(name, run);
      },
      factory: () => ({ store: make(), reopen: make, bytesInParts: PART + 1 }),
    });
  });

  test('a large object has a pointer only if the server does not check uploads', async () => {
    await put(make(), 'key', contentOf('a', PART + 1), {}, { ifRevision: null });
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    const hasPointer = Contents.some(({ Key }) => Key?.startsWith('!large/key.object/'));
    expect(hasPointer).toBe(!server.checksUploads);
    await assertContent(make(), 'key', contentOf('a', PART + 1));
  });

  test('a list of one repository among many takes one list', async () => {
    const keys = Array.from({ length: 1500 }, (_, index) => `v1/host/repository${index}/snapshot`);
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => put(make(), key, contentOf(key, 10))));
    const requests: string[] = [];
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (args) => {
          requests.push(commandName);
          return await next(args);
        },
      { name: 'count' },
    );
    each.defer(() => void client.middlewareStack.remove('count'));
    expect(await listedKeys(make(), 'v1/host/repository7/')).toEqual([
      'v1/host/repository7/snapshot',
    ]);
    expect(requests).toEqual(['ListObjectsV2Command', 'HeadObjectCommand']);
  });

  test.each([-10, 10])(
    'a presigned URL works if the clock is %d minutes wrong',
    async (minutes) => {
      const store = make();
      await put(store, 'key', contentOf('a'));
      fakeDate(each.defer, minutes * 60_000);
      const url = new URL((await store.presign('key', { expiresIn: 60 })) ?? '');
      expect((await fetch(url)).status).toBe(200);
      url.searchParams.set('X-Amz-Signature', 'wrong');
      if (server.checksSignatures) expect((await fetch(url)).status).toBe(403);
    },
  );
}
