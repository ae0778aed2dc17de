import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { GitRemoteHTTP } from 'isomorphic-git/managers';
import { buildSmall } from '../support/small-repositories.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import {
  ADVERTISEMENT,
  clientOf,
  getRefs,
  INFO_REFS,
  onlySocket,
  postWants,
  RESULT,
  readAll,
  rejection,
  SECRET,
  serve,
  serveUnfinished,
} from './http-fixture.js';

const resources = cleanup(afterEach);

test('isomorphic-git clones from real git by way of the client', async () => {
  const root = await resources.directory();
  await buildSmall(join(root, 'small'));
  const upstream = await startUpstream({ root });
  resources.defer(() => upstream.close());
  const url = `${upstream.url}/small`;
  const http = clientOf(resources, url);

  const remote = await GitRemoteHTTP.discover({
    http,
    url,
    service: 'git-upload-pack',
    headers: {},
    protocolVersion: 1,
  });
  const oid = remote.refs.get('refs/heads/main');
  expect(oid).toMatch(/^[0-9a-f]{40}$/);
  const response = await GitRemoteHTTP.connect({
    http,
    url,
    service: 'git-upload-pack',
    auth: {},
    headers: {},
    body: [Buffer.from(`0032want ${oid}\n00000009done\n`)],
  });
  const answer = await readAll(response);

  expect(answer.toString('latin1')).toMatch(/^0008NAK\nPACK/);
});

test('A client sends what git sends, over one connection', async () => {
  const upstream = await serve(resources, (req, res) => {
    res.writeHead(200, req.method === 'GET' ? ADVERTISEMENT : RESULT).end('answer');
  });
  const client = clientOf(resources, upstream.url, { authorization: SECRET });

  const refs = await client.request({
    url: upstream.url + INFO_REFS,
    method: 'GET',
    headers: { 'Git-Protocol': 'version=1', Authorization: 'Basic other', cookie: 'a=b' },
  });
  expect(refs).toMatchObject({
    url: upstream.url + INFO_REFS,
    method: 'GET',
    statusCode: 200,
    headers: ADVERTISEMENT,
  });
  await readAll(refs);
  await refs.body?.return?.();
  await readAll(await postWants(client, upstream.url));

  const [get, post] = upstream.requests;
  expect(get?.headers).toEqual({
    host: upstream.host,
    connection: 'keep-alive',
    'git-protocol': 'version=1',
    authorization: SECRET,
    'user-agent': 'git/2.0 (test)',
  });
  expect(post?.headers).toEqual({
    host: upstream.host,
    connection: 'keep-alive',
    accept: 'application/x-git-upload-pack-result',
    'content-type': 'application/x-git-upload-pack-request',
    'content-length': '13',
    authorization: SECRET,
    'user-agent': 'git/2.0 (test)',
  });
  expect(upstream.sockets).toHaveLength(1);
});

test.each(['http://127.0.0.1/other', 'info/refs?service=git-receive-pack', '/HEAD'])(
  'A client makes only the requests of a fetch, and not %s',
  async (path) => {
    const upstream = await serve(resources, (_req, res) => res.end());
    const client = clientOf(resources, upstream.url);
    const url = path.startsWith('http') ? path : upstream.url + path;

    expect(await rejection(client.request({ url }))).toMatchObject({ code: 'INTERNAL' });
    expect(upstream.sockets).toHaveLength(0);
  },
);

test('A server may take longer than connectTimeout for an answer after the connection is made', async () => {
  const connectTimeout = 1000;
  const clock = stopClock(resources.defer);
  const upstream = await serve(resources, async (_req, res) => {
    clock.tick(10 * connectTimeout);
    await setImmediate();
    res.writeHead(200, ADVERTISEMENT).end('refs');
  });
  const client = clientOf(resources, upstream.url, { connectTimeout });

  expect(String(await readAll(await getRefs(client, upstream.url)))).toBe('refs');
});

describe('An abort', () => {
  const reason = new Error('enough');

  test.each([
    ['the client’s signal', true],
    ['the request’s signal', false],
  ])('by %s ends the wait for an answer', async (_, ofClient) => {
    const controller = new AbortController();
    const upstream = await serve(resources, () => {});
    const client = clientOf(resources, upstream.url, ofClient ? { signal: controller.signal } : {});
    const url = upstream.url + INFO_REFS;
    const refs = rejection(client.request(ofClient ? { url } : { url, signal: controller.signal }));
    const [req] = await once(upstream.server, 'request');
    const closed = once(req.socket, 'close');

    controller.abort(reason);

    expect(await refs).toBe(reason);
    await closed;
  });

  test.each([
    ['plain', {}, Buffer.from('refs')],
    ['compressed', { 'content-encoding': 'gzip' }, gzipSync('refs')],
  ])('ends a %s body', async (_, headers, bytes) => {
    const controller = new AbortController();
    const upstream = await serveUnfinished(resources, headers, bytes);
    const client = clientOf(resources, upstream.url, { signal: controller.signal });
    const { body } = await getRefs(client, upstream.url);
    const closed = once(onlySocket(upstream), 'close');
    await body?.next();
    const pending = rejection(Promise.resolve(body?.next()));

    controller.abort(reason);

    expect(await pending).toBe(reason);
    await closed;
  });

  test('before the body is read fails its reader', async () => {
    const controller = new AbortController();
    const upstream = await serveUnfinished(resources);
    const client = clientOf(resources, upstream.url, { signal: controller.signal });
    const refs = await getRefs(client, upstream.url);
    const closed = once(onlySocket(upstream), 'close');

    controller.abort(reason);
    await closed;

    expect(await rejection(readAll(refs))).toBe(reason);
  });

  test('before a request prevents it', async () => {
    const upstream = await serve(resources, (_req, res) => res.end());
    const client = clientOf(resources, upstream.url, { signal: AbortSignal.abort(reason) });

    expect(await rejection(getRefs(client, upstream.url))).toBe(reason);
    expect(upstream.sockets).toHaveLength(0);
  });
});

describe('Closing a client', () => {
  test('ends a request that waits for its answer, without repeating it', async () => {
    const upstream = await serve(resources, () => {});
    const client = clientOf(resources, upstream.url);
    const refs = rejection(getRefs(client, upstream.url));
    const [req] = await once(upstream.server, 'request');
    const closed = once(req.socket, 'close');

    await Promise.all([client.close(), client.close()]);

    expect(await refs).toMatchObject({ code: 'ABORTED' });
    await closed;
    await client.close();
    expect(await rejection(getRefs(client, upstream.url))).toMatchObject({ code: 'ABORTED' });
    expect(upstream.sockets).toHaveLength(1);
  });

  test('ends a request that waits for the connection', async () => {
    const upstream = await serveUnfinished(resources);
    const client = clientOf(resources, upstream.url);
    await getRefs(client, upstream.url);
    const closed = once(onlySocket(upstream), 'close');
    const asked = { url: upstream.url + INFO_REFS };
    // The first connection, whose body nobody reads, is ended for this request, and is still closing.
    const second = rejection(client.request(asked));

    await client.close();

    expect(await second).toMatchObject({ code: 'ABORTED' });
    await closed;
    expect(upstream.sockets).toHaveLength(1);
  });

  test('ends a body', async () => {
    const upstream = await serveUnfinished(resources);
    const client = clientOf(resources, upstream.url);
    const { body } = await getRefs(client, upstream.url);
    const closed = once(onlySocket(upstream), 'close');
    await body?.next();
    const pending = rejection(Promise.resolve(body?.next()));

    await client.close();

    expect(await pending).toMatchObject({ code: 'ABORTED' });
    await closed;
  });

  test('closes the idle connection', async () => {
    const upstream = await serve(resources, (_req, res) => res.writeHead(200, ADVERTISEMENT).end());
    const client = clientOf(resources, upstream.url);
    await readAll(await getRefs(client, upstream.url));
    const closed = once(onlySocket(upstream), 'close');

    await client.close();

    await closed;
  });
});

test('A request body is sent whole, with its length', async () => {
  const upstream = await serve(resources, (req, res) => {
    res.writeHead(200, RESULT);
    req.pipe(res);
  });

  const answer = await readAll(await postWants(clientOf(resources, upstream.url), upstream.url));

  expect(String(answer)).toBe('0032want 0000');
  expect(upstream.requests[0]?.headers).toHaveProperty('content-length', '13');
});

describe('A connection that is closed while a request is sent on it', () => {
  /** Closes a connection without an answer from the second request on, and any at `always`. */
  const upstreamThatCloses = (always: string) =>
    serve(resources, (req, res) => {
      const { socket } = req;
      const isReused = used.has(socket);
      used.add(socket);
      asked.push(req.method);
      if (isReused || req.method === always) socket.destroy();
      else res.writeHead(200, req.method === 'GET' ? ADVERTISEMENT : RESULT).end('answer');
    });
  const used = new WeakSet<object>();
  const asked: unknown[] = [];
  beforeEach(() => {
    asked.length = 0;
  });

  test('makes the client repeat the request on another one', async () => {
    const upstream = await upstreamThatCloses('never');
    const client = clientOf(resources, upstream.url);
    await readAll(await getRefs(client, upstream.url));
    expect(String(await readAll(await postWants(client, upstream.url)))).toBe('answer');
    expect(asked).toEqual(['GET', 'POST', 'POST']);
  });

  test('makes the client repeat the request only once', async () => {
    const upstream = await upstreamThatCloses('POST');
    const client = clientOf(resources, upstream.url);
    await readAll(await getRefs(client, upstream.url));
    const failure = await rejection(postWants(client, upstream.url));
    expect(failure).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect(asked).toEqual(['GET', 'POST', 'POST']);
  });

  test('fails the request if it is new', async () => {
    const upstream = await upstreamThatCloses('GET');
    const client = clientOf(resources, upstream.url);
    const failure = await rejection(getRefs(client, upstream.url));
    expect(failure).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect(asked).toEqual(['GET']);
  });
});
