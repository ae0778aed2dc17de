import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { SnapshotError } from '../../lib/index.js';
import { createStatusPage } from '../../lib/status-page/index.js';
import type { RepositoryRow } from '../../lib/status-page/messages.js';
import { EXPRESS, type ExpressVersion } from '../http/test-server.js';
import { door } from '../support/door.js';
import { fakeDate } from '../support/fake-date.js';
import { Hold } from '../support/hold.js';
import { cleanup } from '../support/temporary-directory.js';
import { startPage } from './page-host.js';
import { ShownService, storedArtifact } from './shown-service.js';

const { defer } = cleanup(afterEach);
const FILES = ['', 'page.css', 'page.js', 'icon.svg'];
let service: ShownService;

beforeEach(() => {
  service = new ShownService();
});

describe('The files of the status page', () => {
  test.each(Object.keys(EXPRESS) as ExpressVersion[])(
    'come with a strict policy, and are revalidated: %s',
    async (version) => {
      const host = await startPage(service, defer, { version });
      for (const file of FILES) {
        const response = await host.get(file);
        expect([file, response.status]).toEqual([file, 200]);
        const { headers } = response;
        const policy = headers.get('content-security-policy') ?? '';
        expect(policy.split('; ')).toEqual(
          expect.arrayContaining(["default-src 'none'", "script-src 'self'", "style-src 'self'"]),
        );
        expect(policy).not.toContain('unsafe');
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        expect(headers.get('referrer-policy')).toBe('no-referrer');
        const again = { headers: { 'If-None-Match': headers.get('etag') ?? '' } };
        expect((await host.get(file, again)).status).toBe(304);
        const head = await host.get(file, { method: 'HEAD' });
        expect(await head.text()).toBe('');
        expect(head.headers.get('content-length')).toBe(
          `${(await response.arrayBuffer()).byteLength}`,
        );
      }
    },
  );

  test('replace the policy that the host app sets for its own pages', async () => {
    const host = await startPage(service, defer, {
      before: [
        (_req, res, next) => {
          res.set('Content-Security-Policy', "default-src 'unsafe-inline'");
          next();
        },
      ],
    });
    const { headers } = await host.get('');
    expect(headers.get('content-security-policy')).not.toContain('unsafe');
  });

  test.each(['/status', '/tools/status'])('are found without the slash: %s', async (mount) => {
    const host = await startPage(service, defer, { mount });
    const url = `${host.url.slice(0, -1)}?sort=hits`;
    const response = await fetch(url, { redirect: 'manual' });
    // Relative, for proxies that remove segments from the path.
    expect(response.headers.get('location')).toBe('./status/?sort=hits');
    expect((await fetch(url)).status).toBe(200);
  });

  test('work at the root of an app', async () => {
    const host = await startPage(service, defer, { mount: '/' });
    expect((await host.get('')).status).toBe(200);
    expect((await host.json('api/start')).actions).toEqual([]);
  });

  test('leave other paths to the host app, and refuse other methods', async () => {
    const host = await startPage(service, defer);
    for (const path of ['other', 'api', 'api/other', 'constructor', '../status/page.js/']) {
      expect((await host.get(path)).status).toBe(418);
    }
    const refused = await host.get('', { method: 'POST' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});

describe('The repositories', () => {
  test('have state, age, size, hits, last check and last error', async () => {
    const now = Date.now();
    const mirror = { state: 'ready', bytes: 900, packs: 2, commit: 'c'.repeat(40) } as const;
    const error = new SnapshotError('UPSTREAM_TIMEOUT', 'no answer');
    const current = service.add('git.test/org/current', { mirror, checkedAt: now });
    service.add('git.test/org/stale', { isCurrent: false });
    service.add('git.test/org/failing', { error });
    service.add('git.test/org/mirrored', { mirror, stored: undefined });
    const cloning = { ...mirror, state: 'cloning' } as const;
    service.add('git.test/org/absent', { mirror: cloning, stored: undefined, requestedAt: now });
    const host = await startPage(service, defer);
    service.hit('git.test/org/current');
    service.hit('git.test/org/current');
    const { rows, states, total } = await host.json('api/repositories');
    expect(rows.map(({ name, state }: RepositoryRow) => `${name} ${state}`)).toEqual([
      'git.test/org/absent absent',
      'git.test/org/current current',
      'git.test/org/failing failing',
      'git.test/org/mirrored mirrored',
      'git.test/org/stale stale',
    ]);
    expect(rows[1]).toMatchObject({
      size: storedArtifact(current, 1000).size,
      storedAt: expect.any(Number),
      mirrorBytes: 900,
      packs: 2,
      hits: 2,
      checkedAt: now,
    });
    expect(rows[2].failure).toMatchObject({ code: 'UPSTREAM_TIMEOUT', message: 'no answer' });
    expect(states).toEqual({ absent: 1, current: 1, failing: 1, mirrored: 1, stale: 1 });
    expect(total).toBe(5);
  });

  test('come in pages, filtered and sorted, with those without a value last', async () => {
    for (let i = 0; i < 250; i++) {
      const name = `git.test/org/repo-${String(i).padStart(3, '0')}`;
      const repository = service.add(name, { isCurrent: i % 2 === 0 });
      const stored = i === 0 ? undefined : storedArtifact(repository, 1000 + i);
      service.add(name, { stored, isCurrent: i % 2 === 0 });
    }
    const host = await startPage(service, defer);
    const names = async (query: string) => {
      const { rows, offset, matching } = await host.json(`api/repositories?${query}`);
      const shown = rows.map(({ name }: RepositoryRow) => Number(name.slice(-3)));
      return { first: shown[0], last: shown.at(-1), count: shown.length, offset, matching };
    };
    const all = { matching: 250 };
    expect(await names('')).toEqual({ first: 0, last: 99, count: 100, offset: 0, ...all });
    expect(await names('offset=200')).toMatchObject({ first: 200, last: 249, count: 50 });
    expect(await names('offset=9000')).toMatchObject({ first: 200, offset: 200 });
    expect(await names('sort=size&order=descending')).toMatchObject({ first: 249, last: 150 });
    expect(await names('sort=size&offset=200')).toMatchObject({ first: 201, last: 0 });
    expect(await names('filter=REPO+-24')).toMatchObject({ first: 240, matching: 10 });
    expect(await names('state=stale')).toMatchObject({ first: 1, matching: 125 });
    for (const wrong of ['sort=path', 'offset=-1', 'state=ok', 'q=1', 'sort=name&sort=size']) {
      expect((await host.get(`api/repositories?${wrong}`)).status).toBe(400);
    }
  });

  test('stay as they were when the service can no longer list them, and the page says why', async () => {
    service.add('git.test/org/repo');
    service.list = async () => {
      throw new SnapshotError('STORE_FAILED', 'the store is away');
    };
    const host = await startPage(service, defer);
    const failing = await host.json('api/repositories');
    expect(failing).toMatchObject({ total: 0, failure: { code: 'STORE_FAILED' } });
    await host.json('api/start');
    const { overview } = await host.json('api/start');
    expect(overview).toMatchObject({ repositories: 1, usageFailure: { code: 'STORE_FAILED' } });
  });

  test('show the failure of the last job until the same work succeeds', async () => {
    service.add('git.test/org/repo');
    const host = await startPage(service, defer);
    const failing = service.job('build', 'git.test/org/repo');
    failing.start();
    failing.fail(new SnapshotError('LIMIT_EXCEEDED', 'too many files', { limit: 'maxFiles' }));
    const aborted = service.job('clone', 'git.test/org/repo');
    aborted.start();
    aborted.fail(new SnapshotError('ABORTED', 'closing'));
    const [row] = (await host.json('api/repositories')).rows;
    expect(row).toMatchObject({
      state: 'failing',
      failure: { code: 'LIMIT_EXCEEDED', during: 'build' },
    });
    const checked = service.job('fetch', 'git.test/org/repo');
    checked.start();
    checked.succeed({ changed: false, objects: 0, packBytes: 0 } as never);
    expect((await host.json('api/repositories')).rows[0].state).toBe('failing');
    const built = service.job('build', 'git.test/org/repo');
    built.start();
    built.succeed({ outcome: 'written' } as never);
    expect((await host.json('api/repositories')).rows[0].state).toBe('current');
  });

  test('have those whose first clone failed before anybody looked, for an hour', async () => {
    const host = await startPage(service, defer);
    const failing = service.job('clone', 'git.test/org/secret');
    failing.start();
    failing.fail(new SnapshotError('UPSTREAM_DENIED', 'answered 401'));
    const { rows } = await host.json('api/repositories');
    expect(rows).toMatchObject([
      { name: 'git.test/org/secret', state: 'failing', failure: { code: 'UPSTREAM_DENIED' } },
    ]);
    fakeDate(defer, 61 * 60_000); // the repositories are listed again
    while ((await host.json('api/repositories')).rows.length > 0) await new Promise(setImmediate);
  });

  test('are asked for only while somebody looks, and not again at each look', async () => {
    service.add('git.test/org/repo');
    const host = await startPage(service, defer);
    service.hit('git.test/org/repo');
    service.job('fetch', 'git.test/org/repo').start();
    expect(service.calls).toEqual([]);
    await host.json('api/repositories');
    await host.json('api/repositories');
    expect(service.calls).toEqual(['listRepositories']);
    service.job('build', 'git.test/org/repo').start();
    await host.json('api/repositories');
    expect(service.calls).toEqual(['listRepositories', 'status git.test/org/repo']);
  });
});

describe('Live updates', () => {
  test('bring the progress of a clone, then its row, and end with the page', async () => {
    const host = await startPage(service, defer);
    const stream = await host.events();
    expect(stream.response.headers['content-type']).toBe('text/event-stream');
    expect(stream.response.headers['cache-control']).toBe('no-store, no-transform');
    expect(await stream.next('overview')).toMatchObject({ jobs: [] });
    // The first list of the repositories has ended. Before that, changes are a part of it.
    await stream.next('rows', ({ reload }) => reload);

    const clone = service.job('clone', 'git.test/org/new');
    clone.start();
    const counts = { receivedBytes: 5_000, receivedObjects: 50, totalObjects: 200 };
    clone.progress({ kind: 'message', text: 'Counting objects: 99%\rCounting objects: 100%\r\n' });
    clone.progress({ kind: 'pack', phase: 'receiving', ...counts });
    const running = await stream.next('overview', ({ jobs }) => jobs.length === 1);
    expect(running.jobs[0]).toMatchObject({
      kind: 'clone',
      name: 'git.test/org/new',
      progress: { phase: 'receiving', message: 'Counting objects: 100%', ...counts },
    });

    service.add('git.test/org/new');
    clone.succeed({ objects: 200, packBytes: 5_000, seededBytes: 0 } as never);
    const changed = await stream.next('rows', ({ rows }) => rows.length > 0);
    expect(changed.rows[0]).toMatchObject({ name: 'git.test/org/new', state: 'current' });
    await host.page.close();
    expect(await stream.next('never')).toBeUndefined();
    expect((await host.get('')).status).toBe(503);
  });

  test('tell pages to ask again when more changes than they show', async () => {
    const host = await startPage(service, defer);
    await host.json('api/repositories');
    const stream = await host.events();
    await stream.next('overview');
    for (let i = 0; i < 150; i++) {
      service.add(`git.test/org/repo-${i}`);
      service.job('fetch', `git.test/org/repo-${i}`).start();
    }
    expect(await stream.next('rows')).toEqual({ rows: [], removed: [], reload: true });
    service.statuses.delete('git.test/org/repo-7');
    service.job('build', 'git.test/org/repo-7').start();
    expect(await stream.next('rows')).toMatchObject({ removed: ['git.test/org/repo-7'] });
  });

  test('tell of a change that comes while the status before it is read', async () => {
    service.add('git.test/org/repo');
    const host = await startPage(service, defer);
    await host.json('api/repositories');
    const stream = await host.events();
    const hold = new Hold();
    service.read = () => hold.wait();
    service.job('fetch', 'git.test/org/repo').start();
    await hold.reached;
    service.statuses.delete('git.test/org/repo');
    service.job('build', 'git.test/org/repo').start();
    hold.release();
    const { removed } = await stream.next(
      'rows',
      ({ rows, reload }) => rows.length === 0 && !reload,
    );
    expect(removed).toEqual(['git.test/org/repo']);
  });

  test('survive a service that fails, and log its failure', async () => {
    const host = await startPage(service, defer);
    const stream = await host.events();
    await stream.next('overview');
    const stats = service.stats.bind(service);
    service.stats = () => {
      service.stats = stats;
      throw new Error('no statistics');
    };
    service.job('clone', 'git.test/org/repo').start();
    await host.logged;
    expect(host.log).toEqual(['status page failed']);
    service.job('clone', 'git.test/org/other').start();
    expect(await stream.next('overview')).toMatchObject({ jobCount: 2 });
  });

  test('go to a limited number of pages; the others ask', async () => {
    const host = await startPage(service, defer, { maxStreams: 1 });
    const stream = await host.events();
    expect((await host.get('api/events')).status).toBe(503);
    expect((await host.get('api/start')).status).toBe(200);
    stream.response.destroy();
    // The server notices a moment later.
    while ((await host.events()).response.statusCode !== 200) await new Promise(setImmediate);
  });
});

describe('Actions', () => {
  const HEADERS = { 'X-Status-Page-Action': '1' };
  const REFRESH = 'api/refresh?repository=git.test/org/repo';
  const REMOVE = 'api/remove?repository=git.test/org/repo';
  const post = (headers: Record<string, string> = {}) => ({
    method: 'POST',
    headers: { ...HEADERS, ...headers },
  });

  test('are forbidden unless the host allows them', async () => {
    const none = await startPage(service, defer);
    const one = await startPage(service, defer, { actions: ['refresh'] });
    expect((await none.get(REFRESH, post())).status).toBe(403);
    expect((await one.get(REMOVE, post())).status).toBe(403);
    expect((await one.get(REFRESH, post())).status).toBe(202);
    expect(service.calls).toEqual(['refresh git.test/org/repo']);
    expect((await one.json('api/start')).actions).toEqual(['refresh']);
  });

  test('may depend on the visitor', async () => {
    const host = await startPage(service, defer, {
      actions: async (req) => (req.headers.cookie === 'admin' ? ['remove'] : []),
    });
    expect((await host.get(REMOVE, post())).status).toBe(403);
    expect((await host.get(REMOVE, post({ Cookie: 'admin' }))).status).toBe(202);
    expect(service.calls).toEqual(['purge git.test/org/repo']);
  });

  test('are refused when another site may have sent them, or when they are no POST', async () => {
    const host = await startPage(service, defer, { actions: ['refresh', 'remove'] });
    const { host: ours } = new URL(host.url);
    const status = async (init: RequestInit) => (await host.get(REMOVE, init)).status;
    expect(await status({ method: 'POST' })).toBe(403);
    expect(await status(post({ 'Sec-Fetch-Site': 'cross-site' }))).toBe(403);
    expect(await status(post({ 'Sec-Fetch-Site': 'same-site' }))).toBe(403);
    expect(await status(post({ Origin: 'https://evil.test' }))).toBe(403);
    expect(await status(post({ Origin: 'null' }))).toBe(403);
    const malformed = { ...HEADERS, Origin: host.url, Host: '%' };
    const sent = request(new URL(REMOVE, host.url), { method: 'POST', headers: malformed }).end();
    const [answer]: IncomingMessage[] = await once(sent, 'response');
    expect(answer?.resume().statusCode).toBe(403);
    for (const method of ['GET', 'PUT', 'DELETE']) {
      expect(await status({ method, headers: HEADERS })).toBe(405);
    }
    expect(service.calls).toEqual([]);
    expect(await status(post({ Origin: `http://${ours}` }))).toBe(202);
    expect(await status(post({ 'Sec-Fetch-Site': 'same-origin' }))).toBe(202);
  });

  test('concern only allowed repositories', async () => {
    const host = await startPage(service, defer, { actions: ['refresh'] });
    const status = async (query: string) => (await host.get(`api/refresh?${query}`, post())).status;
    expect(await status('repository=elsewhere.test/org/repo')).toBe(403);
    expect(await status('repository=git.test/../repo')).toBe(400);
    expect(await status('')).toBe(400);
    expect(service.calls).toEqual([]);
  });

  test('run once at a time, are shown while they run, and leave their failure', async () => {
    service.add('git.test/org/repo');
    const [opened, open] = door();
    service.act = async () => {
      await opened;
      throw new SnapshotError('UPSTREAM_DENIED', 'no access');
    };
    const host = await startPage(service, defer, { actions: ['refresh'] });
    await host.json('api/repositories');
    await host.get(REFRESH, post());
    await host.get(REFRESH, post());
    expect(service.calls.filter((call) => call.startsWith('refresh'))).toHaveLength(1);
    const row = async () => (await host.json('api/repositories')).rows[0];
    expect(await row()).toMatchObject({ activity: 'refresh', state: 'current' });
    open();
    while ((await row()).activity !== undefined) await new Promise(setImmediate);
    expect((await row()).failure).toMatchObject({ code: 'UPSTREAM_DENIED', during: 'refresh' });
  });
});

test('Wrong options are refused with their names', () => {
  const make = (options: object) => () => createStatusPage(service.shown, options);
  expect(make({ actions: ['purge'] })).toThrow(/actions/);
  expect(make({ snapshotsUrl: 'javascript:alert(1)' })).toThrow(/snapshotsUrl/);
  expect(make({ maxStreams: -1 })).toThrow(/maxStreams/);
  expect(make({ theme: 'dark' })).toThrow(/theme/);
  expect(() => createStatusPage({} as never)).toThrow(/service/);
});
