import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { Readable } from 'node:stream';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { SnapshotError } from '../../lib/errors.js';
import { parseRepository } from '../../lib/repository.js';
import { FakeService } from './fake-service.js';
import { begin, send, serve, type TestServer } from './test-server.js';

const STORED = parseRepository('github.com/org/repo');
const PATH = '/github.com/org/repo/snapshot.tar.zst';
const MISSING = '/github.com/org/new/snapshot.tar.zst';
const KINDS = [
  ['stored', PATH],
  ['built', MISSING],
] as const;

let source: FakeService;
let server: TestServer;

beforeEach(async () => {
  source = new FakeService();
  source.store(defaultSnapshot(STORED), { bytes: Buffer.alloc(1000, 1), etag: '"v1"' });
  server = await serve(source);
});

afterEach(() => server.close());

/** A body whose bytes a test pushes by hand. */
function manualBody(): Readable {
  return new Readable({ read() {} });
}

/** Makes stored and built snapshots alike read from `make()`. */
function bodiesFrom(make: () => Readable): void {
  source.read = make;
  source.build = () => ({ body: make() });
}

describe.each(KINDS)('The body of a %s snapshot', (kind, path) => {
  test('that fails after its first bytes breaks the connection', async () => {
    const body = manualBody();
    bodiesFrom(() => body);
    const error = new SnapshotError('STORE_FAILED', 'the disk went away');
    body.push(Buffer.alloc(10));
    const { res } = await begin(server, path);
    expect(res.statusCode).toBe(200);
    expect(res.headers['content-length']).toBe(kind === 'stored' ? '1000' : undefined);
    const broken = once(res, 'error');
    await once(res, 'data');
    body.destroy(error);
    const [seen] = await broken;
    expect(seen).toMatchObject({ code: 'ECONNRESET' });
    expect(res.complete).toBe(false);
    expect(server.log).toMatchObject([
      { level: 'error', fields: { code: 'STORE_FAILED', err: error } },
    ]);
  });

  test('is destroyed when its client hangs up', async () => {
    const body = manualBody();
    bodiesFrom(() => body);
    body.push(Buffer.alloc(10));
    const { res } = await begin(server, path);
    await once(res, 'data');
    const [signal] = source.signals;
    expect([signal?.aborted, body.destroyed]).toEqual([false, false]);
    const closed = once(body, 'close');
    res.on('error', () => {});
    res.destroy();
    await closed;
    expect(signal?.aborted).toBe(true);
    await send(server, '/elsewhere');
    expect(server.log).toEqual([]);
  });

  test('is destroyed when its client hangs up before the first byte', async () => {
    const body = manualBody();
    const read = new Promise<void>((resolve) => {
      bodiesFrom(() => {
        resolve();
        return body;
      });
    });
    const hangUp = startRequest(path);
    await read;
    const closed = once(body, 'close');
    hangUp();
    await closed;
    expect(source.signals.map(({ aborted }) => aborted)).toEqual([true]);
    await send(server, '/elsewhere');
    expect(server.log).toEqual([]);
  });

  test('that was sent whole does not abort its signal', async () => {
    bodiesFrom(() => Readable.from([Buffer.alloc(1000)]));
    const agent = new Agent({ keepAlive: true });
    await send(server, path, { agent });
    await send(server, '/elsewhere', { agent });
    agent.destroy();
    expect(source.signals.map(({ aborted }) => aborted)).toEqual([false]);
  });

  test('is read no faster than its client reads', async () => {
    const chunk = Buffer.alloc(64 * 1024);
    const total = 1024;
    const produced = { chunks: 0 };
    const size = total * chunk.length;
    source.store(defaultSnapshot(STORED), { bytes: Buffer.alloc(size), etag: '"big"' });
    bodiesFrom(
      () =>
        new Readable({
          read() {
            this.push(produced.chunks === total ? null : chunk);
            if (produced.chunks < total) produced.chunks++;
          },
        }),
    );
    const { res } = await begin(server, path);
    res.pause();
    // Answers other requests meanwhile, until the number of read bytes stays the same.
    let before: number;
    do {
      before = produced.chunks;
      for (let i = 0; i < 10; i++) {
        expect((await send(server, '/elsewhere')).status).toBe(418);
      }
    } while (produced.chunks > before);
    expect(produced.chunks).toBeLessThan(total / 2);

    let received = 0;
    for await (const part of res) received += part.length;
    expect([received, produced.chunks]).toEqual([size, total]);
  });
});

test('The wait of a client for its snapshot ends when the client hangs up', async () => {
  const waiting = new Promise<AbortSignal>((resolve, reject) => {
    source.build = async (_repository, signal) => {
      if (signal === undefined) throw new Error('no signal');
      resolve(signal);
      await once(signal, 'abort').catch(reject);
      throw signal.reason;
    };
  });
  const hangUp = startRequest(MISSING);
  const signal = await waiting;
  hangUp();
  if (!signal.aborted) await once(signal, 'abort');
  expect((await send(server, PATH)).status).toBe(200);
  expect(server.log).toEqual([]);
});

test('A body that is ready after its client has gone is destroyed', async () => {
  const body = manualBody();
  const waiting = new Promise<AbortSignal>((resolve) => {
    source.build = async (_repository, signal = new AbortController().signal) => {
      resolve(signal);
      await once(signal, 'abort');
      return { body };
    };
  });
  const hangUp = startRequest(MISSING);
  await waiting;
  const closed = once(body, 'close');
  hangUp();
  await closed;
  expect(server.log).toEqual([]);
});

test.each([
  ['shorter', 999],
  ['longer', 1001],
])('A stored body %s than its length breaks the connection', async (_what, length) => {
  source.read = () => Readable.from([Buffer.alloc(500), Buffer.alloc(length - 500)]);
  await expect(send(server, PATH)).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(server.log).toMatchObject([{ level: 'error', fields: { code: 'STORE_FAILED' } }]);
});

test('A stored body without bytes is answered with a problem document', async () => {
  source.read = () => Readable.from([]);
  const reply = await send(server, PATH);
  expect([reply.status, reply.headers.etag]).toEqual([500, undefined]);
});

test('Concurrent requests each get the right body', async () => {
  const bodies = new Map([
    ['a', manualBody()],
    ['b', manualBody()],
  ]);
  source.build = ({ repository: { path } }) => {
    const body = bodies.get(path);
    if (body === undefined) throw new Error(`no body for ${path}`);
    body.push(Buffer.from(path));
    return { body, etag: `"${path}"` };
  };
  const [a, b] = await Promise.all([
    begin(server, '/github.com/a/snapshot.tar.zst'),
    begin(server, '/github.com/b/snapshot.tar.zst'),
  ]);
  bodies.get('b')?.push(Buffer.from('2'));
  bodies.get('a')?.push(Buffer.from('1'));
  for (const body of bodies.values()) body.push(null);
  expect([a.res.headers.etag, b.res.headers.etag]).toEqual(['"a"', '"b"']);
  expect(await Promise.all([text(a.res), text(b.res)])).toEqual(['a1', 'b2']);

  const same = await Promise.all([send(server, PATH), send(server, PATH)]);
  expect(same.map(({ body }) => body.equals(Buffer.alloc(1000, 1)))).toEqual([true, true]);
});

/** Starts a request and does not wait for its answer. @returns a function that hangs up. */
function startRequest(path: string): () => void {
  const req = request({ port: server.port, host: '127.0.0.1', path: server.prefix + path });
  req.on('error', () => {}).end();
  return () => void req.destroy();
}

async function text(readable: Readable): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of readable) parts.push(part);
  return Buffer.concat(parts).toString();
}
