import { Readable } from 'node:stream';
import type { RequestHandler, Response } from 'express';
import { SnapshotError } from '../../lib/errors.js';
import { door } from '../support/door.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { serve } from './test-server.js';
import { webhookServers } from './webhook/webhook-server.js';

const MIB = 1 << 20;
const PATH = '/git/github.com/org/new/snapshot.tar.zst';

const { defer } = cleanup(afterEach);
const startWebhook = webhookServers();
const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
beforeEach(() => void warnings.mockClear());
afterAll(() => warnings.mockRestore());

/** @param before what the host app does to each request. */
async function start(before: RequestHandler) {
  const source = new FakeService();
  source.build = () => {
    throw new SnapshotError('UPSTREAM_UNREACHABLE', 'no route');
  };
  const server = await serve(source, { before: () => [before] });
  defer(() => server.close());
  return { server, source, url: `http://127.0.0.1:${server.port}${PATH}` };
}

test('A response that the host app makes impossible breaks the connection, and the process goes on', async () => {
  const { server, url } = await start((_req, res, next) => {
    if (_req.path !== '/other')
      res.writeHead = () => {
        throw new Error('a header with a bad value');
      };
    next();
  });
  await expect(fetch(url)).rejects.toThrow();
  expect(warnings).toHaveBeenCalledTimes(1);
  expect((await fetch(`http://127.0.0.1:${server.port}/other`)).status).toBe(418);
});

test('A failure that can not be read is answered, and the process goes on', async () => {
  const { source, url } = await start((_req, _res, next) => next());
  const unreadable: unknown[] = [
    Object.create(null),
    Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('it can not be read');
      },
    }),
  ];
  for (const thrown of unreadable) {
    source.build = () => {
      throw thrown;
    };
    expect((await fetch(url)).status).toBe(500);
  }
});

describe('When the host app has answered while an artifact is made', () => {
  /** @param answer of the host app, while the artifact is made. */
  async function answered(answer: (res: Response) => void) {
    const responses: Response[] = [];
    const { source, url } = await start((_req, res, next) => {
      responses.push(res);
      next();
    });
    const [made, make] = door();
    const body = Readable.from([Buffer.alloc(MIB), Buffer.alloc(MIB)], { objectMode: false });
    source.build = async () => {
      const [res] = responses;
      if (res !== undefined) answer(res);
      await made;
      return { body };
    };
    return { source, url, make, body, responses };
  }

  test('the client gets the answer of the host app, and the artifact is closed', async () => {
    const { source, url, make, body } = await answered((res) => void res.sendStatus(503));
    const reply = await fetch(url);
    expect([reply.status, await reply.text()]).toEqual([503, 'Service Unavailable']);
    // The router need not make it any longer.
    while (source.signals[0]?.aborted !== true) await new Promise(setImmediate);
    make();
    while (!body.destroyed) await new Promise(setImmediate);
  });

  test('the bytes of the artifact do not follow an answer that the host app has begun', async () => {
    const { url, make } = await answered((res) => {
      res.writeHead(200, { 'Content-Type': 'text/plain' });
      res.write('please wait');
    });
    const reply = await fetch(url);
    make();
    await expect(reply.text()).rejects.toThrow();
  });
});

test('A logger that throws does not change the answer', async () => {
  const { server, url } = await start((_req, _res, next) => next());
  server.log.push = () => {
    throw new Error('the log is full');
  };
  expect((await fetch(url)).status).toBe(503);
  while (warnings.mock.calls.length === 0) await new Promise(setImmediate);
  expect(warnings.mock.calls[0]?.[0]).toContain('a logger of the host app failed');
});

test('A delivery that the host app makes impossible to answer breaks the connection, and the process goes on', async () => {
  const responses: Response[] = [];
  const impossible: RequestHandler = (_req, res, next) => {
    responses.push(res);
    res.writeHead = () => {
      throw new Error('a header with a bad value');
    };
    next();
  };
  const { port } = await startWebhook({ before: () => [impossible] });
  const answer = fetch(`http://127.0.0.1:${port}/hooks`, { method: 'POST' });
  const broken = expect(answer).rejects.toThrow();
  while (warnings.mock.calls.length === 0) await new Promise(setImmediate);
  expect(responses.map(({ destroyed }) => destroyed)).toEqual([true]);
  await broken;
});
