import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import {
  createServer as createTlsServer,
  type RequestOptions,
  request as tlsRequest,
} from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { parseRepository } from '../../lib/repository.js';
import { FileBody } from '../../lib/stores/filesystem/open-object-file.js';
import { openFiles } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { serve, type TestServer } from './test-server.js';

const PATH = '/git/github.com/org/repo/snapshot.tar.zst';
/** More than sockets hold, so that a client that does not read leaves chunks waiting to be sent. */
const CONTENT = seededBytes('recycled', 40 * 1024 * 1024 + 777);
const DIGEST = createHash('sha256').update(CONTENT).digest('hex');
/** TLS without a certificate. */
const PRE_SHARED = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
const KEY = Buffer.alloc(32, 7);

const { directory, defer } = cleanup(afterEach);
let scratch: string;
let server: TestServer;
/** Chunks that the body got back, and the memory that it used. */
let recycled: number;
let memory: Set<ArrayBufferLike>;

class WatchedBody extends FileBody {
  override recycle(chunk: Uint8Array): void {
    recycled++;
    super.recycle(chunk);
  }

  override push(chunk: Uint8Array | null): boolean {
    if (chunk) memory.add(chunk.buffer);
    return super.push(chunk);
  }
}

beforeEach(async () => {
  scratch = await directory();
  const file = join(scratch, randomUUID());
  await writeFile(file, CONTENT);
  recycled = 0;
  memory = new Set();
  const source = new FakeService();
  source.store(defaultSnapshot(parseRepository('github.com/org/repo')), {
    bytes: CONTENT,
    etag: '"v1"',
  });
  const handles = await Promise.all([open(file), open(file)]);
  defer(async () => {
    await Promise.all(handles.map((handle) => handle.close()));
  });
  source.read = () => {
    const handle = handles.pop();
    if (handle === undefined) throw new Error('opened too often');
    return new WatchedBody(handle, { start: 0, stop: CONTENT.length }, undefined);
  };
  server = await serve(source);
  defer(() => server.close());
});

/** Listens with another server in front of the app. */
async function listen(other: ReturnType<typeof createServer>): Promise<number> {
  other.listen(0, '127.0.0.1');
  defer(() => {
    other.closeAllConnections();
    other.close();
  });
  await once(other, 'listening');
  return (other.address() as AddressInfo).port;
}

async function responseOf(req: ReturnType<typeof request>): Promise<IncomingMessage> {
  req.on('error', () => {}).end();
  const [res]: IncomingMessage[] = await once(req, 'response');
  if (res === undefined) throw new Error('no response');
  return res;
}

/** Lets the server fill everything on the way before each piece that is read. */
async function readSlowly(res: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  let pieces = 0;
  for await (const piece of res) {
    hash.update(piece);
    if (pieces++ % 8 === 0) for (let i = 0; i < 20; i++) await setImmediate();
  }
  return hash.digest('hex');
}

const get = (port: number) =>
  responseOf(request({ host: '127.0.0.1', port, path: PATH, agent: false }));

function getByTls(port: number): Promise<IncomingMessage> {
  const options: RequestOptions & ConnectionOptions = {
    ...PRE_SHARED,
    host: '127.0.0.1',
    port,
    path: PATH,
    agent: false,
    pskCallback: () => ({ psk: KEY, identity: 'test' }),
    checkServerIdentity: () => undefined,
  };
  return responseOf(tlsRequest(options));
}

describe('A client that reads slowly gets the right bytes, from few buffers,', () => {
  test('over TCP', async () => {
    expect(await readSlowly(await get(server.port))).toBe(DIGEST);
    expect(recycled).toBeGreaterThan(100);
    expect(memory.size).toBeLessThanOrEqual(3);
  });

  test('over TLS', async () => {
    const psk = { ...PRE_SHARED, pskCallback: () => KEY };
    const port = await listen(createTlsServer(psk, server.app));
    expect(await readSlowly(await getByTls(port))).toBe(DIGEST);
    expect(recycled).toBeGreaterThan(100);
    expect(memory.size).toBeLessThanOrEqual(3);
  });
});

test.each([
  ['never calls back', () => {}],
  ['calls back before it has used them', (done?: () => void) => done?.()],
])('A middleware that keeps chunks and %s still passes on the right bytes', async (_, called) => {
  const app: RequestListener = server.app;
  const port = await listen(
    createServer((req, res) => {
      const write = res.write.bind(res);
      let writing = Promise.resolve();
      const end = res.end.bind(res);
      res.write = (chunk: Uint8Array, done?: unknown) => {
        called(done as (() => void) | undefined);
        writing = writing.then(async () => {
          await setImmediate();
          if (!write(chunk)) await once(res, 'drain');
          res.emit('drain');
        });
        return false;
      };
      res.end = () => {
        void writing.then(() => end());
        return res;
      };
      app(req, res);
    }),
  );
  expect(await readSlowly(await get(port))).toBe(DIGEST);
  expect(recycled).toBe(0);
});

test('A client that leaves mid-way leaves no file open', async () => {
  const res = await get(server.port);
  await once(res, 'data');
  const before = await openFiles(scratch);
  res.on('error', () => {}).destroy();
  while ((await openFiles(scratch)).length === before.length) await setImmediate();
  expect((await openFiles(scratch)).length).toBe(before.length - 1);
});
