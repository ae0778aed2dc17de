import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import {
  createServer as createTlsServer,
  type RequestOptions,
  request as tlsRequest,
} from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { SnapshotError } from '../../lib/errors.js';
import { seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { serve, type TestServer } from './test-server.js';

const PATH = '/git/github.com/org/new/snapshot.tar.zst';
/** TLS without a certificate. */
const PRE_SHARED = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
const KEY = Buffer.alloc(32, 7);

const { directory, defer } = cleanup(afterEach);
let source: FakeService;
let server: TestServer;
let body: Readable;

beforeEach(async () => {
  body = new Readable({ read() {} });
  source = new FakeService();
  source.build = () => ({ body });
  server = await serve(source);
  defer(() => server.close());
});

/** Reads the beginning of a built body, lets it fail, and tells how the client sees that. */
async function failAfterBeginning(req: ReturnType<typeof request>): Promise<unknown> {
  body.push(Buffer.alloc(10));
  req.end();
  const [res]: IncomingMessage[] = await once(req, 'response');
  if (res === undefined) throw new Error('no response');
  req.on('error', () => {});
  await once(res, 'data');
  const end = new Promise((resolve) => {
    res.once('error', resolve).once('end', () => resolve('a clean end'));
  });
  body.destroy(new SnapshotError('UPSTREAM_INVALID', 'broken pack'));
  return end;
}

function listen(other: Server, where: { path: string } | { port: number; host: string }) {
  defer(() => {
    other.closeAllConnections();
    other.close();
  });
  return once(other.listen(where), 'listening');
}

test('A failed body breaks a TLS connection', async () => {
  const other = createTlsServer({ ...PRE_SHARED, pskCallback: () => KEY }, server.app);
  await listen(other, { port: 0, host: '127.0.0.1' });
  const options: RequestOptions & ConnectionOptions = {
    ...PRE_SHARED,
    host: '127.0.0.1',
    port: (other.address() as AddressInfo).port,
    path: PATH,
    agent: false,
    pskCallback: () => ({ psk: KEY, identity: 'test' }),
    checkServerIdentity: () => undefined,
  };
  expect(await failAfterBeginning(tlsRequest(options))).toMatchObject({ code: 'ECONNRESET' });
});

test('A failed body breaks a connection over a Unix socket', async () => {
  const socketPath = join(await directory(), 'socket');
  await listen(createServer(server.app), { path: socketPath });
  const req = request({ socketPath, path: PATH, agent: false });
  expect(await failAfterBeginning(req)).toMatchObject({ code: 'ECONNRESET' });
});

test('A client of HTTP/1.0 sees a failed body as a reset, not as its end', async () => {
  body.push(Buffer.alloc(10));
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`GET ${PATH} HTTP/1.0\r\n\r\n`);
  await once(socket, 'data');
  const end = new Promise((resolve) => {
    socket.once('error', resolve).once('end', () => resolve('a clean end'));
  });
  body.destroy(new SnapshotError('UPSTREAM_INVALID', 'broken pack'));
  expect(await end).toMatchObject({ code: 'ECONNRESET' });
});

test('A client of HTTP/1.0 gets a whole body to its end', async () => {
  const bytes = seededBytes('1.0', 5000);
  source.build = () => ({ body: Readable.from([bytes]) });
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`GET ${PATH} HTTP/1.0\r\n\r\n`);
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part);
  const reply = Buffer.concat(parts);
  expect(reply.toString('latin1')).not.toMatch(/transfer-encoding/i);
  expect(reply.subarray(-bytes.length).equals(bytes)).toBe(true);
});
