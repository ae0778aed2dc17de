import { Readable } from 'node:stream';
import { S3Store } from '../../../lib/stores/s3/index.js';
import {
  assertContent,
  beginPut,
  contentOf,
  listedKeys,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import { FakeS3, fail } from '../../support/fake-s3.js';
import { cleanup } from '../../support/temporary-directory.js';

const MIB = 1024 * 1024;
const PART = 5 * MIB;
const STORE_FAILED = { code: 'STORE_FAILED' };

const { defer } = cleanup(afterEach);
let s3: FakeS3;
let store: S3Store;

beforeEach(async () => {
  s3 = await FakeS3.start(defer);
  store = new S3Store({ bucket: 'bucket', config: s3.config, partSize: PART, concurrentParts: 2 });
  defer(() => store.close());
});

/** Four parts. */
const LARGE = contentOf('large', 3.5 * PART);

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

describe('When an S3Store reads,', () => {
  test('a body whose connection breaks fails', async () => {
    await put(store, 'key', LARGE);
    s3.before = ({ res }) => {
      res.writeHead(200, { 'Content-Length': 1000, ETag: '"a"', ...metadata() });
      res.write(Buffer.alloc(500), () => res.destroy());
      return true;
    };
    const { body } = await mustOpen(store, 'key');
    await expect(rest(body)).rejects.toMatchObject(STORE_FAILED);
  });

  test('a body that is cut off continues where it ended, in the same revision', async () => {
    await put(store, 'key', LARGE);
    cutOff((earlier) => (earlier < 3 ? 2 * MIB : undefined));
    await assertContent(store, 'key', LARGE);
    const reads = s3.requests.filter(({ operation }) => operation === 'GetObject');
    const fields = reads.map(({ req }) => [req.headers.range, req.headers['if-match']]);
    expect(fields).toEqual([
      [undefined, undefined],
      ...[2, 4, 6].map((read) => [`bytes=${read * MIB}-${LARGE.length - 1}`, s3.tagOf(LARGE)]),
    ]);
    const range = { start: MIB, end: 4 * MIB };
    s3.requests.length = 0;
    await assertContent(store, 'key', LARGE.subarray(MIB, 4 * MIB + 1), { range });
  });

  test('a body that is cut off goes on with the copy of its revision when the object was replaced', async () => {
    const { revision } = await put(store, 'key', LARGE);
    const { body } = await mustOpen(store, 'key');
    body.destroy();
    cutOff((earlier) => (earlier === 1 ? MIB : undefined));
    const opened = await mustOpen(store, 'key');
    await put(store, 'key', contentOf('new'), {}, { ifRevision: revision });
    expect((await rest(opened.body)).equals(LARGE)).toBe(true);
  });

  test('a body fails if its revision is gone, is cut off without new bytes, or is cut off too often', async () => {
    await put(store, 'key', LARGE);
    cutOff(() => MIB);
    const gone = await mustOpen(store, 'key');
    s3.objects.delete('key.object');
    await expect(rest(gone.body)).rejects.toMatchObject(STORE_FAILED);
    s3.before = () => false;
    await put(store, 'key', LARGE);
    for (const [bytes, requests] of [
      [0, 2],
      [MIB, 6],
    ] as const) {
      s3.requests.length = 0;
      cutOff((earlier) => (earlier === 0 ? MIB : bytes));
      const { body } = await mustOpen(store, 'key');
      await expect(rest(body)).rejects.toMatchObject(STORE_FAILED);
      expect(s3.operations()).toHaveLength(requests);
    }
  });

  test('a server that does not answer, or stops in the middle, is given up after the idle time', async () => {
    const config = { ...s3.config, maxAttempts: 1 };
    const impatient = new S3Store({ bucket: 'bucket', config, idleTimeout: 1000 });
    defer(() => impatient.close());
    await put(store, 'key', LARGE);
    s3.before = () => true;
    const requests = [
      impatient.stat('key'),
      impatient.open('key'),
      put(impatient, 'key', contentOf('a')),
      impatient.delete('key'),
    ];
    for (const { status, reason } of (await Promise.allSettled(
      requests,
    )) as PromiseRejectedResult[])
      expect({ status, reason }).toMatchObject({ status: 'rejected', reason: STORE_FAILED });
    s3.requests.length = 0;
    s3.before = ({ operation, earlier, res }) => {
      if (operation !== 'GetObject' || earlier > 0) return false;
      const headers = { 'Content-Length': LARGE.length, ETag: s3.tagOf(LARGE), ...metadata() };
      res.writeHead(200, headers).write(LARGE.subarray(0, MIB));
      return true;
    };
    await assertContent(impatient, 'key', LARGE);
    expect(s3.operations()).toEqual(['GetObject', 'GetObject']);
  });

  test.each([
    [503, 'SlowDown', 7],
    [503, 'ServiceUnavailable', undefined],
    [429, 'TooManyRequests', undefined],
  ])('a server that asks for fewer requests is busy: %d %s', async (status, code, retryAfter) => {
    s3.before = ({ res }) => {
      if (retryAfter !== undefined) res.setHeader('Retry-After', retryAfter);
      fail(res, status, code);
      return true;
    };
    const busy = { code: 'STORE_BUSY', isTransient: true, httpStatus: 503, retryAfter };
    const config = { ...s3.config, maxAttempts: 1 };
    const impatient = new S3Store({ bucket: 'bucket', config });
    defer(() => impatient.close());
    for (const request of [
      () => impatient.stat('key'),
      () => impatient.open('key'),
      () => put(impatient, 'key', contentOf('a')),
    ])
      await expect(request()).rejects.toMatchObject(busy);
  });

  test('an error names the operation, the object and the bucket', async () => {
    s3.before = ({ res }) => {
      fail(res, 403, 'AccessDenied');
      return true;
    };
    for (const [request, text] of [
      [() => store.stat('a/b'), 'stat of "a/b" in the S3 bucket bucket: the server answered 403'],
      [() => store.open('a/b'), 'open of "a/b" in the S3 bucket bucket: the server answered 403'],
      [() => put(store, 'a/b', contentOf('a')), 'put of "a/b" in the S3 bucket bucket'],
      [() => put(store, 'a/b', LARGE), 'put of "a/b" in the S3 bucket bucket'],
      [() => store.delete('a/b'), 'delete of "a/b" in the S3 bucket bucket'],
      [() => listedKeys(store), 'list of "" in the S3 bucket bucket'],
    ] as const)
      await expect(request()).rejects.toThrow(text);
  });

  test('a range of another revision than the wanted one is a miss', async () => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await put(store, 'key', contentOf('new'));
    const range = { start: 10, end: 20 };
    expect(await store.open('key', { range, revision })).toBeUndefined();
  });

  test('an object that is replaced between two requests is read again', async () => {
    const long = { text: contentOf('long', 2000).toString('base64') };
    await put(store, 'key', contentOf('old'), long);
    const old = s3.objects.get('key.object');
    await put(store, 'key', contentOf('new', 900), { ...long, of: 'new' });
    const replaced = s3.objects.get('key.object');
    if (old === undefined || replaced === undefined) throw new Error('nothing was stored');
    s3.objects.set('key.object', old);
    s3.after = ({ operation, earlier }) => {
      if (operation === 'GetObject' && earlier === 0) s3.objects.set('key.object', replaced);
      return false;
    };
    const { metadata, size, body } = await mustOpen(store, 'key');
    expect({ size, of: metadata.of }).toEqual({ size: 900, of: 'new' });
    expect((await rest(body)).equals(contentOf('new', 900))).toBe(true);
  });

  test.each([
    ['refuses', 403, 'AccessDenied'],
    ['has no such bucket', 404, 'NoSuchBucket'],
    ['fails', 400, 'Whatever'],
  ])('a server that %s is a failure, not a miss', async (_, status, code) => {
    s3.before = ({ res }) => {
      fail(res, status, code);
      return true;
    };
    await expect(store.open('key')).rejects.toMatchObject(STORE_FAILED);
  });

  test.each([403, 405, 501])(
    'a bucket about which the server answers %p counts as existing',
    async (status) => {
      s3.before = ({ operation, res }) => {
        if (operation === 'HeadBucket') res.writeHead(status).end();
        return operation === 'HeadBucket';
      };
      expect(await store.stat('key')).toBeUndefined();
    },
  );

  test('an answer that breaks the protocol is reported', async () => {
    await put(store, 'key', contentOf('a'));
    s3.before = ({ res }) => {
      res.writeHead(206, { 'Content-Range': 'bytes 1-9/10', ETag: '"a"', ...metadata() });
      res.end(Buffer.alloc(9));
      return true;
    };
    const opening = store.open('key', { range: { start: 0, end: 8 } });
    await expect(opening).rejects.toMatchObject(STORE_FAILED);
  });

  test('a body that is shorter than its range fails', async () => {
    await put(store, 'key', contentOf('a'));
    s3.before = ({ res }) => {
      res.writeHead(206, {
        'Content-Range': 'bytes 0-8/1000',
        'Content-Length': 5,
        ETag: '"a"',
        ...metadata(),
      });
      res.end(Buffer.alloc(5));
      return true;
    };
    const { body } = await mustOpen(store, 'key', { range: { start: 0, end: 8 } });
    await expect(rest(body)).rejects.toMatchObject(STORE_FAILED);
  });

  test('objects that no S3Store has written are misses', async () => {
    s3.objects.set('key.object', { content: contentOf('a'), metadata: {} });
    expect(await store.stat('key')).toBeUndefined();
    expect(await store.open('key')).toBeUndefined();
    s3.objects.set('key.object', { content: contentOf('a'), metadata: trailer(2000) });
    expect(await store.stat('key')).toBeUndefined();
    s3.objects.set('key.object', { content: contentOf('a'), metadata: trailer(10) });
    expect(await store.open('key')).toBeUndefined();
  });
});

async function* parts(count: number): AsyncGenerator<Uint8Array> {
  const chunk = contentOf('a', MIB);
  for (let written = 0; written < count * PART; written += MIB) yield chunk;
}

/** Cuts answers to `GetObject` off after some bytes, by how many such requests there were before. */
function cutOff(bytesOf: (earlier: number) => number | undefined): void {
  s3.before = ({ operation, earlier, name, req, res }) => {
    const bytes = operation === 'GetObject' ? bytesOf(earlier) : undefined;
    const object = s3.objects.get(name);
    if (bytes === undefined || object === undefined) return false;
    const { content } = object;
    const [, start = '0', end = content.length - 1] =
      /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '') ?? [];
    const wanted = content.subarray(Number(start), Number(end) + 1);
    const range = `bytes ${start}-${end}/${content.length}`;
    res.writeHead(req.headers.range === undefined ? 200 : 206, {
      'Content-Length': wanted.length,
      'Content-Range': range,
      ETag: s3.tagOf(content),
      ...object.metadata,
    });
    res.flushHeaders();
    if (bytes === 0) res.destroy();
    else res.write(wanted.subarray(0, bytes), () => res.destroy());
    return true;
  };
}

/** Of the object that is stored. */
function metadata() {
  return s3.objects.get('key.object')?.metadata;
}

function trailer(bytes: number) {
  const pointer = Buffer.from(JSON.stringify({ trailer: bytes })).toString('base64url');
  return { 'x-amz-meta-description-0': pointer };
}
