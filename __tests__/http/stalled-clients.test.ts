import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { parseRepository } from '../../lib/repository.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { serve, type TestServer } from './test-server.js';

const FIVE_MINUTES = 5 * 60_000;
const CHUNK = Buffer.alloc(256 * 1024);
/** Together more than all buffers between server and client hold. */
const CHUNKS = 128;
const BYTES = CHUNK.length * CHUNKS;

const { defer } = cleanup(afterEach);
const turn = () => new Promise(setImmediate);

let source: FakeService;
let server: TestServer;
let response: ServerResponse | undefined;

beforeEach(async () => {
  response = undefined;
  source = new FakeService();
  const body = () => Readable.from(Array<Buffer>(CHUNKS).fill(CHUNK), { objectMode: false });
  source.read = body;
  source.build = () => ({ body: body() });
  const id = parseRepository('github.com/org/stored');
  source.store(defaultSnapshot(id), { bytes: Buffer.alloc(BYTES), etag: '"1"' });
  server = await serve(source, {
    before: () => [
      (_req, res, next) => {
        response = res;
        next();
      },
    ],
  });
  defer(() => server.close());
});

/** A client that does not read; resolves when the server waits for it for the first time. */
async function askWithoutReading(path: string): Promise<{ socket: Socket; res: ServerResponse }> {
  const socket = connect(server.port, '127.0.0.1').on('error', () => {});
  defer(() => socket.destroy());
  socket.pause();
  socket.write(`GET /git/github.com/org/${path}/snapshot.tar.zst HTTP/1.1\r\nHost: app\r\n\r\n`);
  while (!response?.writableNeedDrain) await turn();
  return { socket, res: response };
}

test.each(['stored', 'built'])(
  'A client that stops reading a body that is %s is cut off, and the body is destroyed',
  async (path) => {
    const clock = stopClock(defer);
    const { socket, res } = await askWithoutReading(path);
    const [body] = source.bodies;
    // The buffers on the way take some more at first.
    for (let i = 0; i < 10_000 && !res.destroyed; i++) {
      clock.tick(FIVE_MINUTES);
      await turn();
    }
    expect([res.destroyed, body?.destroyed]).toEqual([true, true]);
    // Some versions of Node reset the connection, which `once` would take for a failure.
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(BYTES);
    expect(server.log).toMatchObject([{ level: 'warn', fields: { code: 'ABORTED' } }]);
  },
);

test('A client that takes some bytes every five minutes gets the whole snapshot', async () => {
  const clock = stopClock(defer);
  const { socket, res } = await askWithoutReading('stored');
  while (!res.writableFinished) {
    await turn();
    if (!res.writableNeedDrain) continue;
    clock.tick(FIVE_MINUTES - 1);
    socket.resume();
    await once(res, 'drain');
    socket.pause();
  }
  socket.resume();
  while (socket.bytesRead < BYTES) await turn();
  expect(server.log).toEqual([]);
});
