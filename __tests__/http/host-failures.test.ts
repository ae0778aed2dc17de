import type { RequestHandler, Response } from 'express';
import { SnapshotError } from '../../lib/errors.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { serve } from './test-server.js';
import { webhookServers } from './webhook/webhook-server.js';

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
  return { server, url: `http://127.0.0.1:${server.port}${PATH}` };
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
