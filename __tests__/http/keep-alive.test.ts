import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { Clock } from '@sinonjs/fake-timers';
import { encodeWaitFrame } from '../../lib/archive/wait-frame.js';
import { SnapshotError } from '../../lib/errors.js';
import { KeepAlive } from '../../lib/http/keep-alive.js';
import { door } from '../support/door.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { begin, send, serve, type TestServer } from './test-server.js';

const { defer } = cleanup(afterEach);
const SNAPSHOT = '/github.com/org/new/snapshot.tar.zst';
const BUNDLE = `/github.com/org/new/snapshot.bundle?base=${'b'.repeat(40)}`;
const INTERVAL = 20_000;
const BYTES = Buffer.from('the snapshot');

let clock: Clock;
let source: FakeService;
let server: TestServer;
/** Resolves when a build has been requested; the build waits until `finish` or `fail` is called. */
let requested: Promise<void>;
let finish: (bytes: Buffer) => void;
let fail: (error: Error) => void;

beforeEach(async () => {
  clock = stopClock(defer);
  source = new FakeService();
  let request: () => void;
  [requested, request] = door();
  const built = new Promise<Buffer>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  source.build = async (_id, signal) => {
    request();
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
    return { body: Readable.from([await Promise.race([built, aborted])]) };
  };
  server = await serve(source, { keepAliveInterval: INTERVAL });
  defer(() => server.close());
});

const frames = (count: number) => Buffer.concat(Array<Buffer>(count).fill(encodeWaitFrame()));
/** Timers of the router: other parts of the process may have some of their own. */
const timers = () => clock.countTimers();

test('A snapshot that is not ready is preceded by frames that decoders skip, one per interval', async () => {
  const answered = begin(server, SNAPSHOT);
  await requested;
  clock.tick(INTERVAL);
  const { res } = await answered;
  expect(res.statusCode).toBe(200);
  expect(res.headers).toMatchObject({
    'content-type': 'application/zstd',
    'content-disposition': 'attachment; filename="new.tar.zst"',
    'cache-control': 'no-store',
    'accept-ranges': 'none',
    'transfer-encoding': 'chunked',
  });
  for (const name of ['etag', 'last-modified', 'content-length', 'snapshot-commit']) {
    expect(res.headers).not.toHaveProperty(name);
  }
  const body: Buffer[] = [];
  res.on('data', (part) => body.push(part));
  clock.tick(2 * INTERVAL);
  finish(BYTES);
  await once(res, 'end');
  expect(Buffer.concat(body).equals(Buffer.concat([frames(3), BYTES]))).toBe(true);
  expect(timers()).toBe(0);
});

test('A snapshot that is ready within the interval has its usual answer', async () => {
  const answered = send(server, SNAPSHOT);
  await requested;
  clock.tick(INTERVAL - 1);
  finish(BYTES);
  const { headers, body } = await answered;
  expect(headers).toMatchObject({ etag: '"built"', 'cache-control': 'no-cache' });
  expect(body.equals(BYTES)).toBe(true);
  expect(timers()).toBe(0);
});

test('A failure before the first frame is a problem; a later one breaks the connection', async () => {
  const early = send(server, SNAPSHOT);
  await requested;
  fail(new SnapshotError('UPSTREAM_UNREACHABLE', 'down'));
  expect((await early).status).toBe(503);

  [requested] = [door()[0]];
  const failing = new Promise<never>((_, reject) => {
    fail = reject;
  });
  source.build = async () => await failing;
  const answered = begin(server, SNAPSHOT);
  while (source.calls.length < 2) await new Promise(setImmediate);
  clock.tick(INTERVAL);
  const { res } = await answered;
  const broken = once(res, 'error');
  res.resume();
  fail(new SnapshotError('UPSTREAM_UNREACHABLE', 'down'));
  expect((await broken)[0]).toMatchObject({ code: 'ECONNRESET' });
  expect(res.complete).toBe(false);
  expect(server.log.map(({ fields }) => fields.code)).toEqual(
    Array(2).fill('UPSTREAM_UNREACHABLE'),
  );
  expect(timers()).toBe(0);
});

test.each<[string, string, Record<string, string>]>([
  ['a bundle', BUNDLE, {}],
  ['a request with If-None-Match', SNAPSHOT, { 'if-none-match': '"other"' }],
  [
    'a request with If-Modified-Since',
    SNAPSHOT,
    { 'if-modified-since': new Date(0).toUTCString() },
  ],
])('The answer to %s begins when its status is known', async (_, path, headers) => {
  const answered = send(server, path, { headers });
  await requested;
  clock.tick(3 * INTERVAL);
  fail(new SnapshotError('LIMIT_EXCEEDED', 'large'));
  expect((await answered).status).toBe(503);
});

test('A range of what is not stored is ignored, so frames may precede the whole', async () => {
  const answered = begin(server, SNAPSHOT, { headers: { range: 'bytes=0-9' } });
  await requested;
  clock.tick(INTERVAL);
  const { res } = await answered;
  expect(res.statusCode).toBe(200);
  finish(BYTES);
  const body = await res.toArray();
  expect(Buffer.concat(body).equals(Buffer.concat([frames(1), BYTES]))).toBe(true);
});

test('A client that leaves ends the frames and its wait', async () => {
  const answered = begin(server, SNAPSHOT);
  await requested;
  clock.tick(INTERVAL);
  const { res } = await answered;
  res.on('error', () => {}).destroy();
  const [signal] = source.signals;
  if (!signal?.aborted) await once(signal ?? new EventTarget(), 'abort');
  while (timers() > 0) await new Promise(setImmediate);
  expect(server.log).toEqual([]);
});

test('A client of HTTP/1.0 gets the frames, and the end of the connection ends the body', async () => {
  const socket = connect(server.port, '127.0.0.1');
  defer(() => socket.destroy());
  socket.write(`GET /git${SNAPSHOT} HTTP/1.0\r\n\r\n`);
  await requested;
  clock.tick(INTERVAL);
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  await once(socket, 'data');
  clock.tick(INTERVAL);
  finish(BYTES);
  await once(socket, 'close');
  const answer = Buffer.concat(parts);
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer.toString('latin1')).not.toMatch(/transfer-encoding/i);
  const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
  expect(body.equals(Buffer.concat([frames(2), BYTES]))).toBe(true);
});

test('A client that takes nothing costs little memory, however long it waits', async () => {
  // Without a connection, a response keeps all that is written.
  const res = new ServerResponse(new IncomingMessage(new Socket()));
  const [done, end] = door();
  const waiting = new KeepAlive(res, INTERVAL, {}).during(done);
  for (let beat = 0; beat < 10_000; beat++) clock.tick(INTERVAL);
  expect(res.writableNeedDrain).toBe(true);
  expect(res.writableLength).toBeGreaterThan(0);
  expect(res.writableLength).toBeLessThanOrEqual(128 * 1024);
  end();
  await waiting;
  expect(timers()).toBe(0);
});

test('Without the option, an answer begins with the snapshot', async () => {
  const usual = await serve(source);
  defer(() => usual.close());
  const answered = send(usual, SNAPSHOT);
  await requested;
  clock.tick(100 * INTERVAL);
  finish(BYTES);
  const { headers, body } = await answered;
  expect(headers.etag).toBe('"built"');
  expect(body.equals(BYTES)).toBe(true);
});

test('An answer that other code has begun gets no frames', async () => {
  const other = await serve(source, {
    keepAliveInterval: INTERVAL,
    before: () => [
      (_req, res, next) => {
        res.writeHead(503).write('too slow');
        next();
      },
    ],
  });
  defer(() => other.close());
  const { res } = await begin(other, SNAPSHOT);
  await requested;
  clock.tick(3 * INTERVAL);
  const broken = once(res, 'error');
  const parts: Buffer[] = [];
  res.on('data', (part) => parts.push(part));
  finish(BYTES);
  await broken;
  expect(Buffer.concat(parts).toString()).toBe('too slow');
  expect(timers()).toBe(0);
});
