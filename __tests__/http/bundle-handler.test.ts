import { Agent } from 'node:http';
import { Readable } from 'node:stream';
import type { SnapshotErrorCode } from '../../lib/error-codes.js';
import { SnapshotError } from '../../lib/errors.js';
import { parseRepository } from '../../lib/repository.js';
import { COMMIT, FakeService } from './fake-service.js';
import { EXPRESS, type ExpressVersion, send, serve, type TestServer } from './test-server.js';

const REPOSITORY = parseRepository('github.com/org/repo');
const PATH = '/github.com/org/repo/snapshot.bundle';

describe.each(Object.keys(EXPRESS) as ExpressVersion[])('With %s,', (version) => {
  let source: FakeService;
  let server: TestServer;

  beforeEach(async () => {
    source = new FakeService();
    server = await serve(source, { version });
  });

  afterEach(() => server.close());

  test('a request without a base gets the bundle of all branches and tags', async () => {
    for (const query of ['', '?']) {
      source.calls.length = 0;
      source.store(
        { kind: 'bundle', repository: REPOSITORY },
        { bytes: Buffer.from('all'), etag: '"all"' },
      );
      const { status, body, headers } = await send(server, PATH + query);
      expect([status, body.toString()]).toEqual([200, 'all']);
      expect(headers['content-type']).toBe('application/x-git-bundle');
      expect(source.calls).not.toContain('isHead');
    }
  });

  test.each([
    '?base',
    '?base=',
    '?base=main',
    `?base=${COMMIT.slice(1)}`,
    `?base=${COMMIT}0`,
    `?base=${COMMIT.toUpperCase()}`,
    `?base=-${COMMIT.slice(1)}`,
    `?base=${COMMIT}%0a`,
    `?base=%00${COMMIT}`,
    `?base=${COMMIT}&base=${COMMIT}`,
    `?base=${COMMIT}&%62ase=x`,
    `?base[]=${COMMIT}`,
    `?Base=${COMMIT}`,
  ])('the query %s is refused, because its base is no commit', async (query) => {
    const reply = await send(server, PATH + query);
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body.toString())).toMatchObject({ code: 'INVALID_REQUEST' });
    expect((await send(server, PATH + query, { method: 'HEAD' })).status).toBe(400);
    expect(source.calls).toEqual([]);
  });

  test('a base that is at HEAD is answered with 204, which no cache keeps', async () => {
    source.upToDate = () => true;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (const headers of [{}, { range: 'bytes=0-1' }, { 'if-none-match': '*' }]) {
        source.calls.length = 0;
        const reply = await send(server, `${PATH}?base=${COMMIT}`, { agent, headers });
        expect([reply.status, reply.body.length]).toEqual([204, 0]);
        expect(reply.headers['cache-control']).toBe('no-store');
        expect(reply.headers['content-length']).toBeUndefined();
        expect(reply.headers['content-type']).toBeUndefined();
        expect(source.calls).toEqual(['statStored revalidate', 'isHead']);
      }
      const next = await send(server, `${PATH}?base=${COMMIT}`, { agent });
      expect([next.status, next.reused]).toEqual([204, true]);
    } finally {
      agent.destroy();
    }
  });

  test('a stored bundle is served without a check', async () => {
    source.store(
      { kind: 'bundle', repository: REPOSITORY, base: COMMIT },
      { bytes: Buffer.from('bundle'), etag: '"1"' },
    );
    source.upToDate = () => true;
    const reply = await send(server, `${PATH}?base=${COMMIT}`);
    expect([reply.status, reply.body.toString()]).toEqual([200, 'bundle']);
    expect(source.calls).not.toContain('isHead');
  });

  test('If-Match is answered with 412 without a check when nothing is stored', async () => {
    const headers = { 'if-match': '*' };
    expect((await send(server, `${PATH}?base=${COMMIT}`, { headers })).status).toBe(412);
    expect(source.calls).toEqual(['statStored revalidate']);
  });

  test('the method HEAD checks nothing', async () => {
    source.upToDate = () => true;
    expect((await send(server, `${PATH}?base=${COMMIT}`, { method: 'HEAD' })).status).toBe(404);
    expect(source.calls).toEqual(['statStored']);
  });

  test.each<[SnapshotErrorCode, number]>([
    ['BASE_NOT_FOUND', 404],
    ['UPSTREAM_UNREACHABLE', 503],
    ['STORE_FAILED', 500],
  ])('a check that fails with %s is answered with %i', async (code, status) => {
    source.upToDate = () => {
      throw new SnapshotError(code, 'failed');
    };
    const reply = await send(server, `${PATH}?base=${COMMIT}`);
    expect(reply.status).toBe(status);
    expect(JSON.parse(reply.body.toString())).toMatchObject({ code });
    expect(source.calls).toEqual(['statStored revalidate', 'isHead']);
  });

  test('a bundle whose base turns out to be unknown is answered with 404', async () => {
    source.build = () => {
      throw new SnapshotError('BASE_NOT_FOUND', 'unknown');
    };
    expect((await send(server, `${PATH}?base=${COMMIT}`)).status).toBe(404);
  });

  test('another method is answered with 405', async () => {
    const reply = await send(server, `${PATH}?base=${COMMIT}`, { method: 'POST' });
    expect([reply.status, reply.headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  test('a bundle has none of the headers of snapshots', async () => {
    source.head = 'f'.repeat(40);
    source.build = () => ({ body: Readable.from([Buffer.from('bundle')]) });
    const { headers } = await send(server, `${PATH}?base=${COMMIT}`);
    expect(Object.keys(headers).filter((name) => name.startsWith('x-cachew'))).toEqual([]);
  });
});
