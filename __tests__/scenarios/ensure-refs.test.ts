/**
 * @one-node-version
 */
import { chmod, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetClient, type WantedOfServer } from '../support/fleet-client.js';
import { rebuilt } from '../support/fresh-repository.js';
import { HOST, type HostApp } from '../support/host-app.js';
import { objectId } from '../support/object-id.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { buildEmpty, buildSmall, push } from '../support/small-repositories.js';
import type { Upstream } from '../support/upstream.js';

/** Milliseconds for which nothing is outdated. */
const FOREVER = 0x7fff_ffff;
const UNKNOWN = 'f'.repeat(40);

const repository = ownRepository();
let upstream: Upstream;
let app: HostApp;
let client: FleetClient;
/** Of the test's repository. */
let path: string;
let bare: string;

beforeAll(async () => {
  ({ upstream } = repository);
  app = await repository.sharedApp({
    // No check is due by time, and failures are not remembered.
    freshness: { maxAge: FOREVER, checkInterval: FOREVER, negativeCacheTtl: 0 },
  });
  client = new FleetClient(app.url);
});

beforeEach(() => {
  ({ path, bare } = repository);
});

const url = () => app.snapshotUrl(path).replace(/[^/]+$/, 'ensure-refs');
const ensure = (wanted: WantedOfServer) => client.ensureRefs(`${HOST}/${path}`, wanted);
const tip = (name = 'main') => git(bare, 'rev-parse', name);
const requests = () => [upstream.infoRefs(path), upstream.uploadPacks(path)];

test('A repository that has no mirror is cloned', async () => {
  await buildSmall(bare);
  const commits = [await tip('main~1')];
  const answer = await ensure({ refs: { 'refs/heads/main': '', 'refs/heads/x': '' }, commits });
  expect(answer).toEqual({
    refs: { 'refs/heads/main': await tip(), 'refs/heads/x': '' },
    missingCommits: [],
    fetched: true,
  });
  expect(requests()).toEqual([1, 1]);
});

test('A ref of an empty repository is missing, and is fetched when it exists', async () => {
  await buildEmpty(bare);
  const refs = { 'refs/heads/trunk': '' };
  expect(await ensure({ refs })).toMatchObject({ refs, fetched: true });
  const commit = await push(bare, { branch: 'trunk' });
  expect(await ensure({ refs })).toMatchObject({ refs: { 'refs/heads/trunk': commit } });
});

test('A name that no ref can have counts as a missing ref, without a check of the upstream', async () => {
  await buildSmall(bare);
  const names = ['main', '', 'head', 'refs/', 'refs/heads/a..b', '../x'];
  const refs = new Map(names.map((name) => [name, '']));
  const ensured = await app.router.service.ensureRefs(repository.id, { refs, commits: [] });
  expect(ensured).toEqual({ refs, missingCommits: [], fetched: false });
  const wanted = { refs: Object.fromEntries(refs) };
  expect(await ensure(wanted)).toEqual({ ...wanted, missingCommits: [], fetched: false });
  expect(requests()).toEqual([0, 0]);
});

describe('With a mirror,', () => {
  let first: string;

  beforeEach(async () => {
    await buildSmall(bare);
    first = await tip();
    await (await fetch(app.snapshotUrl(path))).arrayBuffer();
    expect(requests()).toEqual([1, 1]);
  });

  test.each<[string, () => Promise<WantedOfServer>]>([
    ['any id', async () => ({ refs: { 'refs/heads/main': '', 'refs/tags/v1.0.0': '' } })],
    ['the id that it has', async () => ({ refs: { 'refs/heads/main': first } })],
    [
      'a tag by the id of its object',
      async () => ({ refs: { 'refs/tags/v1.0.0': await tip('v1.0.0') } }),
    ],
    ['commits', async () => ({ commits: [first, await tip('main~1'), first] })],
  ])(
    'a request for refs and commits that it has fetches nothing, even if the upstream has newer ones: %s',
    async (_, wanted) => {
      const asked = await wanted();
      await push(bare);
      upstream.fault(path, { kind: 'status', status: 503 });
      const { fetched, missingCommits } = await ensure(asked);
      expect([fetched, missingCommits]).toEqual([false, []]);
      expect(requests()).toEqual([1, 1]);
    },
  );

  test.each<[string, (pushed: string) => WantedOfServer, number]>([
    ['a ref at another commit', (pushed) => ({ refs: { 'refs/heads/main': pushed } }), 2],
    ['a ref that is not there', () => ({ refs: { 'refs/heads/new': '' } }), 2],
    ['a commit', (pushed) => ({ commits: [first, pushed] }), 2],
    ['one of many', (pushed) => ({ refs: { 'refs/heads/main': '' }, commits: [pushed] }), 2],
  ])('a request for a ref or commit that it lacks fetches once: %s', async (_, wanted, packs) => {
    const pushed = await push(bare);
    await git(bare, 'branch', 'new', pushed);
    const answer = await ensure(wanted(pushed));
    expect([answer.fetched, answer.missingCommits]).toEqual([true, []]);
    for (const oid of Object.values(answer.refs)) expect(oid).toBe(pushed);
    expect(requests()).toEqual([2, packs]);
  });

  test('each request for a missing ref or commit checks the upstream, but the commit is searched by its id only once in a while', async () => {
    const wanted = { refs: { 'refs/heads/x': '' }, commits: [first, UNKNOWN] };
    for (const asked of [3, 4]) {
      expect(await ensure(wanted)).toEqual({
        refs: { 'refs/heads/x': '' },
        missingCommits: [UNKNOWN],
        fetched: true,
      });
      expect(requests()).toEqual([asked, 1]);
    }
  });

  test('a name that no ref can have changes nothing for other names of the request', async () => {
    const refs = new Map([
      ['refs/heads/main', ''],
      ['main', ''],
    ]);
    expect(await app.router.service.ensureRefs(repository.id, { refs, commits: [] })).toEqual({
      refs: new Map([...refs, ['refs/heads/main', first]]),
      missingCommits: [],
      fetched: false,
    });
    expect(requests()).toEqual([1, 1]);
  });

  test('HEAD is its commit', async () => {
    const refs = { HEAD: '' };
    expect(await ensure({ refs })).toMatchObject({ refs: { HEAD: first }, fetched: false });
    const pushed = await push(bare);
    const wanted = { refs: { HEAD: pushed } };
    expect(await ensure(wanted)).toMatchObject({ ...wanted, fetched: true });
  });

  test('a ref that mirrors do not hold is found by a name in any script', async () => {
    const name = 'refs/changes/\u00e4/\u540d';
    await git(bare, 'update-ref', name, first);
    const refs = { [name]: '', 'refs/changes/\u00e4': '' };
    expect(await ensure({ refs })).toMatchObject({ refs: { ...refs, [name]: first } });
  });

  test('requests for refs that mirrors do not hold share their checks, and too many such refs are refused', async () => {
    // Mirrors are looked into for one request at a time, in their order.
    const own = await repository.startApp({ concurrency: { fetchesPerHost: 1 } });
    const ask = (...names: string[]) => {
      const wanted = { refs: new Map(names.map((name) => [name, ''])), commits: [] };
      return own.router.service.ensureRefs(repository.id, wanted);
    };
    await git(bare, 'update-ref', 'refs/pull/7/head', first);
    await ask('refs/heads/main');
    const gate = upstream.gateRefs(path);
    const before = upstream.requests.length;
    const early = ask('refs/pull/0/head');
    await gate.reached;
    const late = Array.from({ length: 20 }, (_, i) => ask(`refs/pull/${i + 1}/head`));
    await ask('refs/heads/main');
    const many = Array.from({ length: 10_000 }, (_, i) => `refs/made-up/${i}`);
    await expect(ask(...many)).rejects.toMatchObject({ code: 'OVERLOADED', retryAfter: 5 });
    gate.release();
    const found = (await Promise.all([early, ...late])).flatMap(({ refs }) => [...refs]);
    expect(found.filter(([, oid]) => oid !== '')).toEqual([['refs/pull/7/head', first]]);
    expect(upstream.requests.length - before).toBe(2);
  });

  test('a ref at another commit than the wanted one is answered with its own commit', async () => {
    const refs = { 'refs/heads/main': UNKNOWN };
    const answer = { refs: { 'refs/heads/main': first }, missingCommits: [], fetched: true };
    expect(await ensure({ refs })).toEqual(answer);
  });

  test('a tag, a tree or a blob is found like a commit, as by `git cat-file -e`', async () => {
    const commits = await Promise.all(['v1.0.0', 'main^{tree}', 'main:README.md'].map(tip));
    expect(await ensure({ commits })).toMatchObject({ missingCommits: [], fetched: false });
  });

  test('ids may be abbreviated or in upper case, and are returned as they were sent', async () => {
    const refs = { 'refs/heads/main': first.slice(0, 7).toUpperCase() };
    const commits = [first.slice(0, 4), first.toUpperCase(), ''];
    expect(await ensure({ refs, commits })).toEqual({
      refs: { 'refs/heads/main': first },
      missingCommits: [],
      fetched: false,
    });
    expect(await ensure({ commits: ['FFFFFFF'] })).toMatchObject({ missingCommits: ['FFFFFFF'] });
  });

  test('an ambiguous abbreviation counts as missing, as in git', async () => {
    // Two blobs whose ids begin alike: there are some among a few hundred.
    const byStart = new Map<string, string>();
    let alike: [string, string] | undefined;
    for (let i = 0; alike === undefined; i++) {
      const start = objectId('blob', Buffer.from(`${i}`)).slice(0, 4);
      const other = byStart.get(start);
      if (other !== undefined) alike = [other, `${i}`];
      byStart.set(start, `${i}`);
    }
    const [a, b] = alike;
    await push(bare, { files: { a, b } });
    const oid = objectId('blob', Buffer.from(a));
    const start = oid.slice(0, 4);
    expect(await ensure({ commits: [start] })).toMatchObject({ missingCommits: [start] });
    expect(await ensure({ commits: [oid.slice(0, 30)] })).toMatchObject({ missingCommits: [] });
  });

  describe('with a pull request', () => {
    const PULL = 'refs/pull/1/head';
    let pull: string;

    beforeEach(async () => {
      pull = await push(bare, { branch: 'fork' });
      await git(bare, 'update-ref', PULL, pull);
      await git(bare, 'branch', '-D', 'fork');
      await git(bare, 'config', 'uploadpack.allowReachableSHA1InWant', 'true');
    });

    test('its commit is fetched by its id, once', async () => {
      const there = { missingCommits: [], fetched: true };
      expect(await ensure({ commits: [pull] })).toMatchObject(there);
      expect(upstream.uploadPacks(path)).toBe(2);
      expect(await ensure({ commits: [pull] })).toMatchObject({ ...there, fetched: false });
      expect(upstream.uploadPacks(path)).toBe(2);
    });

    test('its ref is found by its name, and the mirror then has its commit', async () => {
      const refs = { [PULL]: '', 'refs/pull/2/head': '', 'refs/heads/main': '' };
      const answer = { [PULL]: pull, 'refs/pull/2/head': '', 'refs/heads/main': first };
      expect(await ensure({ refs })).toEqual({ refs: answer, missingCommits: [], fetched: true });
      expect(await ensure({ commits: [pull] })).toMatchObject({ missingCommits: [] });
      const response = await fetch(`${app.snapshotUrl(path)}?ref=${pull}`);
      await response.arrayBuffer();
      expect(response.headers.get('x-cachew-snapshot-commit')).toBe(pull);
    });

    test('its ref is found by one request, also at an upstream that speaks protocol 0 only', async () => {
      expect(await ensure({ commits: [pull] })).toMatchObject({ missingCommits: [] });
      upstream.fault(path, { kind: 'protocol-0' });
      const before = upstream.requests.length;
      const refs = { [PULL]: pull };
      expect(await ensure({ refs })).toMatchObject({ refs, fetched: true });
      expect(upstream.requests.length - before).toBe(1);
    });

    test('its ref is found also if the upstream gives no other commits than those of its refs', async () => {
      await git(bare, 'config', 'uploadpack.allowReachableSHA1InWant', 'false');
      expect(await ensure({ refs: { [PULL]: '' } })).toEqual({
        refs: { [PULL]: pull },
        missingCommits: [],
        fetched: true,
      });
    });

    test('a commit below its ref is missing if the upstream gives no commits by id', async () => {
      await git(bare, 'config', 'uploadpack.allowReachableSHA1InWant', 'false');
      await git(bare, 'update-ref', PULL, await push(bare, { branch: 'fork', parents: [pull] }));
      await git(bare, 'branch', '-D', 'fork');
      expect(await ensure({ commits: [pull] })).toEqual({
        refs: {},
        missingCommits: [pull],
        fetched: true,
      });
    });
  });

  test('concurrent requests share their checks', async () => {
    const pushed = await push(bare);
    const wanted = { refs: new Map([['refs/heads/main', pushed]]), commits: [] };
    const { service } = app.router;
    const asking = Array.from({ length: 20 }, () => service.ensureRefs(repository.id, wanted));
    expect(await Promise.all(asking)).toEqual(
      asking.map(() => ({ refs: wanted.refs, missingCommits: [], fetched: true })),
    );
    const [asked, packs] = requests();
    expect(packs).toBe(2);
    expect(asked).toBeLessThanOrEqual(3); // one, and one for all requests that came meanwhile
  });

  test('a mirror that turns out to be damaged is made again from the stored snapshot', async () => {
    expect((await fetch(app.snapshotUrl(path), { method: 'HEAD' })).status).toBe(200);
    const packs = join(repository.mirrorIn(app.dataDir), 'objects/pack');
    const idx = (await readdir(packs)).filter((name) => name.endsWith('.idx'));
    expect(idx).toHaveLength(1);
    for (const name of idx) {
      await chmod(join(packs, name), 0o644);
      await truncate(join(packs, name), 100);
    }
    const wanted = { commits: [first] };
    expect(await ensure(wanted)).toMatchObject({ missingCommits: [], fetched: true });
    expect(requests()).toEqual([2, 1]);
  });

  test('a request is answered with 502 if the mirror lacks a ref or commit, and the upstream fails', async () => {
    upstream.fault(path, { kind: 'status', status: 503 });
    const failing = ensure({ refs: { 'refs/heads/main': UNKNOWN } });
    await expect(failing).rejects.toMatchObject({ status: 502, code: 'UPSTREAM_UNREACHABLE' });
  });

  test('a fetch is followed by a new snapshot, without a request for it', async () => {
    const isRebuilt = rebuilt(app.router.service, repository.snapshot);
    const pushed = await push(bare);
    await ensure({ commits: [pushed] });
    await isRebuilt;
    // HEAD describes the stored snapshot and starts no refresh.
    const { headers } = await fetch(app.snapshotUrl(path), { method: 'HEAD' });
    expect(headers.get('x-cachew-snapshot-commit')).toBe(pushed);
  });
});

test.each([503, 404] as const)(
  'Without a mirror, a request is answered with 502 when the upstream answers %i',
  async (status) => {
    await buildSmall(bare);
    const heal = upstream.fault(path, { kind: 'status', status });
    const wanted = { refs: { 'refs/heads/main': '' } };
    await expect(ensure(wanted)).rejects.toMatchObject({ status: 502 });
    heal();
    expect(await ensure(wanted)).toMatchObject({ fetched: true });
  },
);

test.each<[string, string]>([
  ['nothing', ''],
  ['{}', '{}'],
  ['a list', '[]'],
  ['neither', '{"refs": {}, "commits": []}'],
  ['a ref by another ref', '{"refs": {"refs/heads/main": "main"}}'],
  ['a commit by a name', '{"commits": ["main"]}'],
  ['1,001 commits', JSON.stringify({ commits: Array.from({ length: 1001 }, () => UNKNOWN) })],
  ['over 256 KiB', JSON.stringify({ commits: [UNKNOWN] }).padEnd(256 * 1024 + 1)],
])(
  'A malformed body is answered with 400, and the upstream is not checked: %s',
  async (_, body) => {
    const response = await fetch(url(), { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(requests()).toEqual([0, 0]);
  },
);

test('The answer leaves out empty parts', async () => {
  await buildSmall(bare);
  const body = JSON.stringify({ commits: [await tip()] });
  const response = await fetch(url(), { method: 'POST', body });
  expect(await response.json()).toEqual({ fetched: true });
});

/** The mirror does not depend on the request that caused its clone. */
test.each([
  'snapshot.tar.zst',
  'snapshot.tar.zst?ref=v1.0.0',
  'snapshot.tar.zst?depth=1',
  'bundle',
])('A mirror that was cloned for %s is used without a fetch', async (artifact) => {
  await buildSmall(bare);
  const file = artifact === 'bundle' ? `snapshot.bundle?base=${await tip('main~1')}` : artifact;
  const response = await fetch(url().replace('ensure-refs', file));
  expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([
    200,
    expect.any(Number),
  ]);
  expect(await ensure({ commits: [await tip()] })).toMatchObject({ fetched: false });
  const [status] = await app.router.service
    .listRepositories()
    .then((all) => all.filter((each) => each.repository.path === path));
  expect(status?.repository).toEqual({ host: HOST, path });
  expect(requests()).toEqual([1, 1]);
});
