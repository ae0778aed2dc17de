import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type IRouter, Router } from 'express';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { createSnapshotRouter } from '../../lib/create-router.js';
import type { SnapshotErrorCode } from '../../lib/error-codes.js';
import { SnapshotError } from '../../lib/errors.js';
import { parseRepository } from '../../lib/repository.js';
import { codeBlocks, readPage } from '../docs/markdown.js';
import { FakeService } from './fake-service.js';
import { begin, type Reply, send, serve, type TestServer } from './test-server.js';

/* The routes of a host app that the pages show, as the pages have them. */

let server: TestServer | undefined;
let source: FakeService;
beforeEach(() => {
  source = new FakeService();
});
afterEach(() => server?.close());

/** Runs the page's code that has this route. @param names what the code finds in scope. */
async function route(page: string, path: string, names: Record<string, unknown>): Promise<IRouter> {
  const block = codeBlocks(await readPage(page), ['js']).find((code) => code.includes(path)) ?? '';
  const code = block.replaceAll(/^import .*$/gm, '');
  const wrapped = `export default ({ ${Object.keys(names)}, app }) => {${code}}`;
  const { default: run } = await import(`data:text/javascript,${encodeURIComponent(wrapped)}`);
  const app = Router();
  run({ ...names, app });
  return app;
}

async function serveRoute(app: IRouter, hosts = ['github.com']) {
  server = await serve(source, { hosts, before: () => [app] });
  return { port: server.port, prefix: '' };
}

describe('A route over the service, as the page of the API has it,', () => {
  const PATH = '/express.tar.zst';
  const repository = parseRepository('github.com/expressjs/express');
  const start = async () => {
    const names = { service: source, repository, pipeline, SnapshotError };
    return await serveRoute(await route('docs/api.md', PATH, names));
  };

  test('sends the snapshot', async () => {
    source.store(defaultSnapshot(repository), { bytes: Buffer.from('bytes'), etag: '"1"' });
    const { status, headers, body } = await send(await start(), PATH);
    expect([status, headers.etag, body.toString()]).toEqual([200, '"1"', 'bytes']);
  });

  test.each<[SnapshotErrorCode, number, string | undefined]>([
    ['OVERLOADED', 503, '7'],
    ['UPSTREAM_NOT_FOUND', 503, undefined],
    ['REF_NOT_FOUND', 404, undefined],
  ])('answers %s as the router does', async (code, status, retryAfter) => {
    const error = new SnapshotError(code, 'secret', { retryAfter: 7 });
    source.build = () => {
      throw error;
    };
    const running = await start();
    const own = await send(running, PATH);
    expect(summary(own)).toEqual([status, retryAfter, code]);
    const path = '/git/github.com/expressjs/express/snapshot.tar.zst';
    expect(summary(await send(running, path))).toEqual(summary(own));
  });

  test('breaks the connection if the build fails after the first byte', async () => {
    source.build = () => ({ body: Readable.from(failing()) });
    const { res } = await begin(await start(), PATH);
    await expect(res.toArray()).rejects.toThrow('aborted');
  });

  test('ends the call when the client leaves', async () => {
    source.build = () => ({ body: Readable.from(endless()) });
    const { res } = await begin(await start(), PATH);
    await once(res, 'readable');
    const [signal] = source.signals;
    const aborted = signal && once(signal, 'abort');
    res.destroy();
    await aborted;
    expect(signal?.aborted).toBe(true);
  });
});

test('A route that rewrites its URL, as the page of HTTP has it, gets all answers of the router', async () => {
  const repository = parseRepository('git.corp.example/acme/one');
  source.store(defaultSnapshot(repository), { bytes: Buffer.from('bytes'), etag: '"1"' });
  const snapshots = createSnapshotRouter({ service: source });
  const running = await serveRoute(await route('docs/http.md', 'checkout.tar.zst', { snapshots }), [
    repository.host,
  ]);
  const statusAndBody = async (name: string, headers = {}) => {
    const path = `/tenants/acme/repos/${name}/checkout.tar.zst`;
    const { status, body } = await send(running, path, { headers });
    return [status, body.toString()];
  };
  expect(await statusAndBody('one')).toEqual([200, 'bytes']);
  expect(await statusAndBody('one', { 'If-None-Match': '"1"' })).toEqual([304, '']);
  expect(await statusAndBody('one', { Range: 'bytes=1-2' })).toEqual([206, 'yt']);
  expect(await statusAndBody('..%2fother%2fone')).toEqual([
    400,
    expect.stringContaining('INVALID_REPOSITORY'),
  ]);
});

function summary({ status, headers, body }: Reply) {
  return [status, headers['retry-after'], JSON.parse(body.toString()).code];
}

async function* failing() {
  yield Buffer.from('first');
  throw new SnapshotError('INTERNAL', 'secret');
}

async function* endless() {
  for (;;) yield Buffer.alloc(1 << 16);
}
