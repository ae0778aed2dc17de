import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseRepository } from '../../lib/repository/identity.js';
import { seededBytes } from '../support/random.js';
import { COMMIT, FakeSource } from './fake-source.js';
import {
  EXPRESS,
  type ExpressVersion,
  MOUNTS,
  type MountName,
  type SendOptions,
  send,
  serve,
  type TestServer,
} from './test-server.js';

const CASES = Object.keys(EXPRESS).flatMap((version) =>
  Object.keys(MOUNTS).map((mount) => [version, mount] as [ExpressVersion, MountName]),
);

const STORED = parseRepository('github.com/org/repo');
const MISSING = '/github.com/org/new/snapshot.tar.zst';
const PATH = '/github.com/org/repo/snapshot.tar.zst';
const BYTES = seededBytes('snapshot', 1000);
const LAST_MODIFIED = 'Thu, 29 Feb 2024 12:30:15 GMT';
const LATER = 'Fri, 01 Mar 2024 00:00:00 GMT';
const EARLIER = 'Wed, 28 Feb 2024 00:00:00 GMT';

const OF_SNAPSHOT = {
  'content-type': 'application/zstd',
  'cache-control': 'no-cache',
  etag: '"v1"',
  'last-modified': LAST_MODIFIED,
  'accept-ranges': 'bytes',
  'content-disposition': 'attachment; filename="repo.tar.zst"',
  'x-cachew-snapshot-commit': COMMIT,
};

describe.each(CASES)('%s, mounted %s', (version, mount) => {
  let source: FakeSource;
  let server: TestServer;

  beforeEach(async () => {
    source = new FakeSource();
    source.store(STORED, { bytes: BYTES, etag: '"v1"' });
    server = await serve(source, { version, mount });
  });

  afterEach(() => server.close());

  const get = (headers: Record<string, string> = {}, path = PATH, options: SendOptions = {}) =>
    send(server, path, { headers, ...options });

  describe('stored', () => {
    test('GET: everything, with one question to the source', async () => {
      const reply = await get();
      expect(reply.status).toBe(200);
      expect(reply.headers).toMatchObject({ ...OF_SNAPSHOT, 'content-length': '1000' });
      expect(reply.headers['transfer-encoding']).toBeUndefined();
      expect(reply.body.equals(BYTES)).toBe(true);
      expect(source.calls).toEqual(['get']);
    });

    test('HEAD: the same head, from metadata alone', async () => {
      const { headers } = await get();
      source.calls.length = 0;
      const reply = await get({}, PATH, { method: 'HEAD' });
      expect({ ...reply.headers, date: 0 }).toEqual({ ...headers, date: 0 });
      expect([reply.status, reply.body.length]).toEqual([200, 0]);
      expect(source.calls).toEqual(['stat']);
    });

    test.each([
      ['bytes=0-0', 0, 0],
      ['bytes=0-16777215', 0, 999],
      ['bytes=10-499', 10, 499],
      ['bytes=999-', 999, 999],
      ['bytes=-200', 800, 999],
      ['bytes=-5000', 0, 999],
    ])('%s', async (range, start, end) => {
      const reply = await get({ range });
      expect(reply.status).toBe(206);
      expect(reply.headers).toMatchObject({
        ...OF_SNAPSHOT,
        'content-range': `bytes ${start}-${end}/1000`,
        'content-length': String(end - start + 1),
      });
      expect(reply.body.equals(BYTES.subarray(start, end + 1))).toBe(true);
      expect(source.calls).toEqual(['stat', 'open']);
    });

    test.each(['bytes=1000-', 'bytes=-0', 'bytes=99999999999999999999-'])(
      '%s lies outside',
      async (range) => {
        const reply = await get({ range });
        expect(reply.status).toBe(416);
        expect(reply.headers['content-range']).toBe('bytes */1000');
        expect(JSON.parse(reply.body.toString()).code).toBe('RANGE_NOT_SATISFIABLE');
      },
    );

    test.each<[Record<string, string>, number]>([
      [{ range: 'bytes=0-1,4-5' }, 200],
      [{ range: 'bytes=5-1' }, 200],
      [{ range: 'bytes=x' }, 200],
      [{ range: 'items=0-1' }, 200],
      [{ 'if-match': '"v1"' }, 200],
      [{ 'if-match': '*' }, 200],
      [{ 'if-match': '"v0", "v1"' }, 200],
      [{ 'if-match': '"v0"' }, 412],
      [{ 'if-match': 'W/"v1"' }, 412],
      [{ 'if-none-match': '"v0"' }, 200],
      [{ 'if-none-match': '"v1"' }, 304],
      [{ 'if-none-match': 'W/"v1"' }, 304],
      [{ 'if-none-match': '"v0", "v1"' }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-modified-since': LAST_MODIFIED }, 304],
      [{ 'if-modified-since': EARLIER }, 200],
      [{ 'if-unmodified-since': LAST_MODIFIED }, 200],
      [{ 'if-unmodified-since': EARLIER }, 412],
      [{ 'if-match': '"v1"', range: 'bytes=0-1' }, 206],
      [{ 'if-match': '"v0"', range: 'bytes=0-1' }, 412],
      [{ 'if-match': '"v0"', range: 'bytes=1000-' }, 412],
      [{ 'if-none-match': '"v1"', range: 'bytes=1000-' }, 304],
      [{ 'if-none-match': '"v0"', range: 'bytes=1000-' }, 416],
      [{ 'if-range': '"v1"', range: 'bytes=0-1' }, 206],
      [{ 'if-range': '"v0"', range: 'bytes=0-1' }, 200],
      [{ 'if-range': 'W/"v1"', range: 'bytes=0-1' }, 200],
      [{ 'if-range': LAST_MODIFIED, range: 'bytes=0-1' }, 206],
      [{ 'if-range': LATER, range: 'bytes=0-1' }, 200],
      [{ 'if-range': '"v0"', range: 'bytes=1000-' }, 200],
      [{ 'if-range': '"v0"' }, 200],
    ])('%j → %i', async (headers, status) => {
      const reply = await get(headers);
      expect(reply.status).toBe(status);
      if (status === 200) expect(reply.body.equals(BYTES)).toBe(true);
      if (status === 206) expect(reply.body.equals(BYTES.subarray(0, 2))).toBe(true);
      if (status === 304) {
        expect(reply.body).toHaveLength(0);
        expect(reply.headers).toMatchObject({
          etag: '"v1"',
          'last-modified': LAST_MODIFIED,
          'cache-control': 'no-cache',
        });
        expect(reply.headers['content-length']).toBeUndefined();
      }
      if (status === 412)
        expect(JSON.parse(reply.body.toString()).code).toBe('PRECONDITION_FAILED');
      if (headers.range !== undefined) expect(source.calls).not.toContain('get');
      for (const body of source.bodies) expect(body.destroyed).toBe(true);
    });

    test.each<[Record<string, string>, number]>([
      [{ 'if-none-match': '"v1"' }, 304],
      [{ 'if-match': '"v0"' }, 412],
      [{ range: 'bytes=0-1' }, 200],
      [{ range: 'bytes=1000-' }, 200],
    ])('HEAD with %j → %i', async (headers, status) => {
      const reply = await get(headers, PATH, { method: 'HEAD' });
      expect([reply.status, reply.body.length]).toEqual([status, 0]);
      expect(reply.headers['content-range']).toBeUndefined();
      expect(source.calls).toEqual(['stat']);
    });

    test('the parts that a parallel download fetches fit together', async () => {
      const first = await get({ range: 'bytes=0-255' });
      const etag = first.headers.etag ?? '';
      const rest = await Promise.all(
        [256, 512, 768].map((start) =>
          get({ range: `bytes=${start}-${start + 255}`, 'if-match': etag }),
        ),
      );
      expect(rest.map(({ status }) => status)).toEqual([206, 206, 206]);
      expect(new Set(rest.map(({ headers }) => headers.etag))).toEqual(new Set([etag]));
      const whole = Buffer.concat([first, ...rest].map(({ body }) => body));
      expect(whole.equals(BYTES)).toBe(true);
    });

    test('an empty repository has no commit, an odd name stays one header', async () => {
      const repository = parseRepository('github.com/org/a"b é');
      source.store(repository, { bytes: BYTES, etag: '"e"', commit: undefined });
      const reply = await get({}, '/github.com/org/a%22b%20%C3%A9/snapshot.tar.zst');
      expect(reply.status).toBe(200);
      expect(reply.headers['x-cachew-snapshot-commit']).toBeUndefined();
      expect(reply.headers['content-disposition']).toBe(
        `attachment; filename="a_b _.tar.zst"; filename*=UTF-8''a%22b%20%C3%A9.tar.zst`,
      );
    });
  });

  describe('not stored', () => {
    let generated: number;

    beforeEach(() => {
      generated = 0;
      source.generate = () => {
        generated++;
        return { body: Readable.from([BYTES.subarray(0, 10), BYTES.subarray(10)]) };
      };
    });

    test('GET: chunked, with everything that is known before the bytes', async () => {
      const reply = await get({ range: 'bytes=0-1' }, MISSING);
      expect(reply.status).toBe(200);
      expect(reply.headers).toMatchObject({
        'content-type': 'application/zstd',
        'cache-control': 'no-cache',
        etag: '"generated"',
        'transfer-encoding': 'chunked',
        'content-disposition': 'attachment; filename="new.tar.zst"',
        'x-cachew-snapshot-commit': COMMIT,
      });
      for (const name of ['content-length', 'last-modified', 'accept-ranges', 'content-range']) {
        expect(reply.headers[name]).toBeUndefined();
      }
      expect(reply.body.equals(BYTES)).toBe(true);
    });

    test('HEAD: 404, and nothing is generated', async () => {
      const headers = { 'if-match': '*', 'if-none-match': '"x"' };
      for (const conditions of [{}, headers]) {
        expect((await get(conditions, MISSING, { method: 'HEAD' })).status).toBe(404);
      }
      expect(source.calls).toEqual(['stat', 'stat']);
    });

    test.each(['*', '"generated"', 'W/"x"', ''])('If-Match: %s → 412', async (value) => {
      const reply = await get({ 'if-match': value, range: 'bytes=0-1' }, MISSING);
      expect(reply.status).toBe(412);
      expect(generated).toBe(0);
    });

    test.each<[Record<string, string>, number]>([
      [{ 'if-none-match': '"generated"' }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '"other"' }, 200],
      [{ 'if-modified-since': LATER }, 200],
      [{ 'if-unmodified-since': EARLIER }, 200],
      [{ 'if-range': '"generated"', range: 'bytes=0-1' }, 200],
      [{ range: 'bytes=5000-' }, 200],
    ])('%j → %i, once the tag is known', async (headers, status) => {
      const reply = await get(headers, MISSING);
      expect(reply.status).toBe(status);
      expect(reply.headers.etag).toBe('"generated"');
      expect(reply.body.length).toBe(status === 200 ? 1000 : 0);
      expect(generated).toBe(1);
      expect(source.bodies.map((body) => body.destroyed)).toEqual([true]);
    });
  });

  test('a connection stays usable whatever was answered on it', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const requests: [string, SendOptions, number][] = [
      ['/github.com/../x/snapshot.tar.zst', {}, 400],
      ['/gitlab.com/x/snapshot.tar.zst', {}, 403],
      [MISSING, { method: 'HEAD' }, 404],
      [PATH, { method: 'POST', body: 'x'.repeat(100_000) }, 405],
      [PATH, { headers: { 'if-match': '"x"' } }, 412],
      [PATH, { headers: { range: 'bytes=1000-' } }, 416],
      [PATH, { headers: { 'if-none-match': '*' } }, 304],
      [MISSING, {}, 500],
      [PATH, { headers: { range: 'bytes=1-' } }, 206],
      [PATH, { method: 'HEAD' }, 200],
      [PATH, {}, 200],
    ];
    try {
      for (const [index, [path, options, status]] of requests.entries()) {
        const reply = await send(server, path, { ...options, agent });
        expect([index, reply.status, reply.reused]).toEqual([index, status, index > 0]);
      }
    } finally {
      agent.destroy();
    }
  });
});
