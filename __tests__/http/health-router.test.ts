import { createHealthRouter, createSnapshotRouter, type ServiceHealth } from '../../lib/index.js';
import { FakeService } from './fake-service.js';
import { EXPRESS, type ExpressVersion, send, serve, type TestServer } from './test-server.js';

let server: TestServer | undefined;
afterEach(() => server?.close());

const check = { status: 'fail', componentType: 'component', time: '2026-01-01T00:00:00Z' } as const;

const WORKS: ServiceHealth = {
  status: 'warn',
  live: true,
  ready: true,
  checks: {
    'service:state': [{ ...check, status: 'pass' }],
    'threads:failedStarts': [{ ...check, status: 'pass' }],
    'store:responseTime': [{ ...check, status: 'warn', output: 'The store works only in part.' }],
    'locks:responseTime': [],
    'disk:free': [],
    'upstream:outage': [],
  },
};
const UNREADY: ServiceHealth = { ...WORKS, status: 'fail', ready: false };
const DEAD: ServiceHealth = { ...UNREADY, live: false };

async function start(
  report: (timeout: number | undefined) => ServiceHealth,
  version: ExpressVersion = 'Express 5',
) {
  const health = async ({ timeout }: { timeout?: number | undefined } = {}) => report(timeout);
  const router = createHealthRouter({ health });
  server = await serve(new FakeService(), {
    version,
    before: (express) => [express.Router().use('/health', router)],
  });
  return { port: server.port, prefix: '/health' };
}

describe.each(Object.keys(EXPRESS) as ExpressVersion[])('In %s', (version) => {
  test.each([
    ['works', WORKS, 200, 200],
    ['can not serve', UNREADY, 200, 503],
    ['needs a new process', DEAD, 503, 503],
  ])('a service that %s answers its probes', async (_what, health, live, ready) => {
    const at = await start(() => health, version);
    const [alive, able] = [await send(at, '/live'), await send(at, '/ready')];
    expect([alive.status, able.status]).toEqual([live, ready]);
    for (const { headers } of [alive, able]) {
      expect(headers).toMatchObject({
        'content-type': 'application/health+json',
        'cache-control': 'no-store',
      });
      expect(headers.etag).toBeUndefined();
    }
    const { status, checks } = health;
    expect(JSON.parse(able.body.toString())).toEqual({ status, checks });
  });
});

test('A probe of `/live` waits for no store', async () => {
  const timeouts: (number | undefined)[] = [];
  const at = await start((timeout) => {
    timeouts.push(timeout);
    return WORKS;
  });
  await send(at, '/live');
  await send(at, '/ready');
  expect(timeouts).toEqual([0, undefined]);
});

test('The router of the snapshots can be asked as its service can', async () => {
  const service = Object.assign(new FakeService(), { health: async () => UNREADY });
  const router = createHealthRouter(createSnapshotRouter({ service }));
  server = await serve(new FakeService(), { before: () => [router] });
  const { status } = await send({ port: server.port, prefix: '' }, '/ready');
  expect(status).toBe(503);
});

test('A HEAD has no body, another method is refused, and other paths are left to the app', async () => {
  const at = await start(() => WORKS);
  const head = await send(at, '/ready', { method: 'HEAD' });
  expect([head.status, head.body.length]).toEqual([200, 0]);
  const post = await send(at, '/live', { method: 'POST' });
  expect([post.status, post.headers.allow]).toEqual([405, 'GET, HEAD']);
  for (const path of ['/', '/live/more', '/other']) {
    expect((await send(at, path)).status).toBe(418);
  }
});

test('A service of the host app that rejects is not ready, and nothing of its error is shown', async () => {
  const at = await start(() => {
    throw new Error('secret');
  });
  const { status, body } = await send(at, '/ready');
  expect(status).toBe(503);
  expect(body.toString()).not.toContain('secret');
});

test('An object without `health` is refused', () => {
  expect(() => createHealthRouter({} as FakeService)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('health'),
    }),
  );
});
