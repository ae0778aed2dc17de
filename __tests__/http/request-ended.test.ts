import { PassThrough } from 'node:stream';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { RequestEndedEvent } from '../../lib/index.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { begin, type SendOptions, type ServeOptions, send, serve } from './test-server.js';

const { defer } = cleanup(afterEach);

const repository = { host: 'github.com', path: 'org/repo' };
const snapshot = defaultSnapshot(repository);
const PATH = '/github.com/org/repo/snapshot.tar.zst';
const BYTES = Buffer.alloc(1000, 'a');

async function start(options: ServeOptions = {}) {
  const service = new FakeService();
  service.hasFiles = options.offload !== undefined;
  const server = await serve(service, options);
  defer(() => server.close());
  const ended: Promise<RequestEndedEvent> = new Promise((resolve) => {
    server.events.once('requestEnded', resolve);
  });
  return { service, server, ended };
}

/** @returns the event of one request for a snapshot that is stored. */
async function ask(path: string, request: SendOptions = {}, options: ServeOptions = {}) {
  const { service, server, ended } = await start(options);
  service.store(snapshot, { bytes: BYTES, etag: '"stored"' });
  await send(server, path, request);
  return await ended;
}

test('The end of a request tells its artifact, outcome, bytes and times', async () => {
  const event = await ask(PATH);
  expect(event).toEqual({
    repository,
    requested: { artifact: 'snapshot', ref: undefined, depth: undefined },
    outcome: 'hit',
    status: 200,
    error: undefined,
    bytes: 1000,
    firstByteMs: expect.any(Number),
    durationMs: expect.any(Number),
  });
  expect(event.firstByteMs).toBeLessThanOrEqual(event.durationMs);
});

test.each<[string, string, SendOptions, ServeOptions, Partial<RequestEndedEvent>]>([
  ['a range', PATH, { headers: { range: 'bytes=0-9' } }, {}, { outcome: 'hit', bytes: 10 }],
  ['HEAD', PATH, { method: 'HEAD' }, {}, { outcome: 'answered', bytes: 0 }],
  ['a 304', PATH, { headers: { 'if-none-match': '*' } }, {}, { outcome: 'notModified' }],
  [
    'a redirect of git',
    '/github.com/org/repo/info/refs?service=git-upload-pack',
    {},
    { redirectGit: true },
    { outcome: 'redirected', requested: { artifact: 'git' } },
  ],
  ['a wrong method', PATH, { method: 'PUT' }, {}, { outcome: 'refused', status: 405 }],
  ['a denial', PATH, {}, { authorize: () => false }, { outcome: 'refused', status: 403 }],
])('The outcome of %s is told', async (_what, path, request, options, expected) => {
  expect(await ask(path, request, options)).toMatchObject(expected);
});

test('An answer that the web server sends is told as offloaded, and has no bytes of the app', async () => {
  const { service, server, ended } = await start({ offload: 'x-sendfile' });
  service.store(snapshot, { bytes: BYTES, etag: '"stored"' });
  service.fileOf = () => ({ directory: '/store', path: 'file' });
  await expect(send(server, PATH)).rejects.toThrow('aborted'); // there is no web server
  expect(await ended).toMatchObject({ outcome: 'offloaded', status: 200, bytes: 0 });
});

test('A request for a repository of another host is refused, and names no repository', async () => {
  const { server, ended } = await start();
  await send(server, '/elsewhere.test/a/b/snapshot.tar.zst');
  const { repository: named, requested, outcome, error } = await ended;
  expect([named, requested, outcome, error?.code]).toEqual([
    undefined,
    undefined,
    'refused',
    'FORBIDDEN',
  ]);
});

test('An answer that breaks off has failed, although its status is 200', async () => {
  const { service, server, ended } = await start();
  const body = new PassThrough();
  service.build = () => ({ body });
  body.write('a');
  const { res } = await begin(server, PATH);
  res.resume().on('error', () => {});
  body.destroy(new Error('lost'));
  expect(await ended).toMatchObject({ outcome: 'failed', error: { code: 'INTERNAL' } });
});

test('A client that leaves has aborted its request', async () => {
  const { service, server, ended } = await start();
  const leave = new AbortController();
  service.build = (_id, signal) => {
    leave.abort();
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
  };
  await send(server, PATH, { signal: leave.signal }).catch(() => {});
  expect(await ended).toMatchObject({ outcome: 'aborted', status: undefined });
});
