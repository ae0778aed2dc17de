import { Readable } from 'node:stream';
import type { S3Store } from '../../../lib/stores/s3/index.js';
import { assertContent, beginPut, contentOf, put } from '../../../lib/testing/store-content.js';
import { FakeS3, fail } from '../../support/fake-s3.js';
import { cleanup } from '../../support/temporary-directory.js';
import { LARGE, PART, storeInParts } from './stores.js';

const MIB = 1024 * 1024;
const STORE_FAILED = { code: 'STORE_FAILED' };

const { defer } = cleanup(afterEach);
let s3: FakeS3;
let store: S3Store;

beforeEach(async () => {
  s3 = await FakeS3.start(defer);
  store = storeInParts(s3, defer);
});

describe('When an S3Store writes,', () => {
  test('an object that fits into one part takes one request', async () => {
    await put(store, 'key', contentOf('a'));
    expect(s3.operations()).toEqual(['PutObject']);
  });

  test('an object that does not fit into one part is sent in parts', async () => {
    await put(store, 'key', LARGE);
    expect(s3.operations().sort()).toEqual(
      [
        'CreateMultipartUpload',
        ...[1, 2, 3, 4].map((part) => `UploadPart ${part}`),
        'CompleteMultipartUpload',
      ].sort(),
    );
    await assertContent(store, 'key', LARGE);
  });

  test('a write buffers no more than a few parts', async () => {
    const write = beginPut(store, 'key');
    let written = 0;
    for (let at = 0; at < 8 * PART; at += MIB) {
      await write.write(contentOf('a', MIB));
      written += MIB;
      expect(written - s3.receivedBytes).toBeLessThanOrEqual(4 * PART);
    }
    await write.fail();
  });

  test('a request that S3 asks to send again is sent again', async () => {
    s3.before = ({ earlier, part, res }) => {
      if (part !== 2 || earlier > 0) return false;
      fail(res, 503, 'SlowDown');
      return true;
    };
    await put(store, 'key', LARGE);
    await assertContent(store, 'key', LARGE);
    expect(s3.operations().filter((operation) => operation === 'UploadPart 2')).toHaveLength(2);
  });

  test.each([
    ['a connection that breaks within a part', 'UploadPart', undefined],
    ['parts that are refused', 'UploadPart', 403],
    ['an upload that cannot be completed', 'CompleteMultipartUpload', 400],
  ] as const)(
    'no part is left, and the stored object stays, after %s',
    async (_, operation, status) => {
      await put(store, 'key', contentOf('old'));
      s3.before = (request) => {
        if (request.operation !== operation || request.part === 1) return false;
        if (status === undefined) request.req.once('data', () => request.res.destroy());
        else fail(request.res, status, 'Refused');
        return true;
      };
      await expect(put(store, 'key', LARGE)).rejects.toMatchObject(STORE_FAILED);
      expect(s3.operations().at(-1)).toMatch(/^(AbortMultipartUpload|HeadObject)$/);
      expect(s3.operations()).toContain('AbortMultipartUpload');
      expect(s3.uploads.size).toBe(0);
      await assertContent(store, 'key', contentOf('old'));
    },
  );

  test.each([
    [507, 'StorageFull'],
    [403, 'QuotaExceeded'],
  ])('a full server has a code of its own: %d %s', async (status, code) => {
    s3.before = ({ res }) => {
      fail(res, status, code);
      return true;
    };
    const writing = put(store, 'key', contentOf('a'));
    await expect(writing).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  });

  test('a part that fails ends the requests for the others', async () => {
    s3.before = ({ part, res }) => {
      if (part !== 1) return false;
      fail(res, 403, 'AccessDenied');
      return true;
    };
    await expect(store.put('key', parts(20))).rejects.toMatchObject(STORE_FAILED);
    expect(s3.uploads.size).toBe(0);
    expect(s3.operations().filter((name) => name.startsWith('UploadPart')).length).toBeLessThan(10);
  });

  test('a write whose last answer is lost is still a write', async () => {
    s3.after = ({ operation, earlier, res }) => {
      if (operation !== 'CompleteMultipartUpload' || earlier > 0) return false;
      res.destroy();
      return true;
    };
    const { revision } = await put(store, 'key', LARGE);
    expect(s3.operations().filter((name) => name === 'CompleteMultipartUpload')).toHaveLength(2);
    expect((await store.stat('key'))?.revision).toBe(revision);
    await assertContent(store, 'key', LARGE);
  });

  test.each(['CreateMultipartUpload', 'UploadPart'] as const)(
    'a signal that aborts during %s leaves no part',
    async (operation) => {
      const controller = new AbortController();
      const reason = new Error('enough');
      s3.before = (request) => {
        if (request.operation === operation) controller.abort(reason);
        return false;
      };
      const writing = store.put('key', parts(20), { signal: controller.signal });
      await expect(writing).rejects.toBe(reason);
      expect(s3.uploads.size).toBe(0);
      expect(s3.objects.size).toBe(0);
    },
  );

  test.each([
    ['PutObject', contentOf('a')],
    ['CompleteMultipartUpload', LARGE],
  ] as const)('a signal that aborts during %s comes too late', async (operation, content) => {
    const controller = new AbortController();
    s3.before = (request) => {
      if (request.operation === operation) controller.abort();
      return false;
    };
    const { signal } = controller;
    const { revision } = await store.put('key', Readable.from([content]), { signal });
    expect(signal.aborted).toBe(true);
    expect((await store.stat('key'))?.revision).toBe(revision);
  });

  test('a body that fails ends unanswered requests, and the parts are removed', async () => {
    const arrived = new Promise<void>((resolve) => {
      s3.before = ({ part }) => {
        if (part === 2) resolve();
        return part === 2;
      };
    });
    const write = beginPut(store, 'key');
    await write.write(contentOf('a', 2 * PART + MIB));
    await arrived;
    await write.fail();
    expect(s3.operations().at(-1)).toBe('AbortMultipartUpload');
    expect(s3.uploads.size).toBe(0);
  });

  test('the first failure is reported even if S3 refuses to remove the parts', async () => {
    s3.before = ({ operation, res }) => {
      if (operation !== 'AbortMultipartUpload') return false;
      fail(res, 403, 'AccessDenied');
      return true;
    };
    const write = beginPut(store, 'key');
    await write.write(LARGE);
    await write.fail();
    expect(s3.operations()).toContain('AbortMultipartUpload');
  });
});

async function* parts(count: number): AsyncGenerator<Uint8Array> {
  const chunk = contentOf('a', MIB);
  for (let written = 0; written < count * PART; written += MIB) yield chunk;
}
