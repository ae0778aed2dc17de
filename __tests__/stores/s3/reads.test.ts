import { S3Store } from '../../../lib/stores/s3/index.js';
import {
  assertContent,
  contentOf,
  listedKeys,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import { FakeS3, fail } from '../../support/fake-s3.js';
import { cleanup } from '../../support/temporary-directory.js';
import { LARGE, storeInParts } from './stores.js';

const MIB = 1024 * 1024;
const STORE_FAILED = { code: 'STORE_FAILED' };

const { defer } = cleanup(afterEach);
let s3: FakeS3;
let store: S3Store;

beforeEach(async () => {
  s3 = await FakeS3.start(defer);
  store = storeInParts(s3, defer);
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

  test('a range is read by one request, which also tells what is stored', async () => {
    const stored = await put(store, 'key', contentOf('a'), { of: 'a' });
    s3.requests.length = 0;
    const opened = await mustOpen(store, 'key', { range: { start: 10, end: 20 } });
    const { body, ...object } = opened;
    expect(object).toEqual(stored);
    expect((await rest(body)).equals(contentOf('a').subarray(10, 21))).toBe(true);
    expect(s3.operations()).toEqual(['GetObject']);
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
