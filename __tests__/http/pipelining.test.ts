import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { serve, type TestServer } from './test-server.js';

const PATH = '/git/github.com/org/new/snapshot.tar.zst';
const REQUEST = `GET ${PATH} HTTP/1.1\r\nHost: app\r\n\r\n`;

const { defer } = cleanup(afterEach);
let source: FakeService;
let server: TestServer;
/** The bodies of the source, in the order of its calls. */
let bodies: Readable[];

beforeEach(async () => {
  bodies = [];
  source = new FakeService();
  source.build = () => {
    const body = new Readable({ read() {} });
    bodies.push(body);
    return { body };
  };
  server = await serve(source);
  defer(() => server.close());
});

async function open() {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  defer(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Resolves after `times` calls of the source. */
async function asked(times: number): Promise<void> {
  while (bodies.length < times) await new Promise(setImmediate);
}

test('Pipelined requests are answered one after the other, in their order', async () => {
  const socket = await open();
  socket.write(REQUEST.repeat(3));
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  for (const [i, text] of ['first', 'second', 'third'].entries()) {
    await asked(i + 1);
    // The server answers another connection. By then, the next answer here would have begun too.
    expect((await fetch(`http://127.0.0.1:${server.port}/other`)).status).toBe(418);
    expect(bodies).toHaveLength(i + 1);
    bodies[i]?.push(text);
    bodies[i]?.push(null);
    while (!received.includes(text)) await once(socket, 'data');
  }
});

test('When a connection closes, the request that is being answered ends, and no request that waits starts', async () => {
  const socket = await open();
  socket.write(REQUEST.repeat(50));
  await asked(1);
  const closed = once(bodies[0] ?? socket, 'close');
  socket.destroy();
  await closed;
  expect((await fetch(`http://127.0.0.1:${server.port}/other`)).status).toBe(418);
  expect(bodies).toHaveLength(1);
});

test('Pipelined requests beyond a hundred are answered with 503, and not logged', async () => {
  const socket = await open();
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.write(REQUEST.repeat(120));
  for (let i = 0; i < 100; i++) {
    await asked(i + 1);
    bodies[i]?.push(null);
  }
  while ((received.match(/HTTP\/1.1 503/g) ?? []).length < 20) await once(socket, 'data');
  expect(bodies).toHaveLength(100);
  expect(server.log).toEqual([]);
});
