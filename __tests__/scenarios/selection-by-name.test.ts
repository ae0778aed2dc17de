import { join } from 'node:path';
import type { SnapshotOptions } from '../../lib/index.js';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { HOST, type HostApp, startHostApp } from '../support/host-app.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

/*
 * Names of branches and tags: which are found, which are not, and how often the upstream hears of those.
 */

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);

let root: string;
let upstream: Upstream;
let bare: string;
let path: string;
let tests = 0;

beforeAll(async () => {
  root = await shared.directory();
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

beforeEach(async () => {
  tests++;
  path = `org/repo-${tests}`;
  bare = join(root, `${path}.git`);
  await buildSmall(bare);
});

async function start(freshness: SnapshotOptions['freshness'] = {}): Promise<HostApp> {
  const dataDir = await directory();
  const app = await startHostApp({ dataDir, upstreamUrl: upstream.url, freshness });
  defer(() => app.close());
  return app;
}

function urlOf(app: HostApp, ref?: string, depth?: number): string {
  const query = new URLSearchParams();
  if (ref !== undefined) query.set('ref', ref);
  if (depth !== undefined) query.set('depth', String(depth));
  return `${app.snapshotUrl(path)}?${query}`;
}

/** @returns the commit that is served, or the code of the problem. */
async function get(app: HostApp, ref?: string, depth?: number): Promise<string | null> {
  const response = await fetch(urlOf(app, ref, depth));
  if (response.status === 200) {
    await response.arrayBuffer();
    return response.headers.get('x-cachew-snapshot-commit');
  }
  const problem: { status: number; code: string } = JSON.parse(await response.text());
  expect(problem.status).toBe(response.status);
  return `${response.status} ${problem.code}`;
}

const NOT_FOUND = '404 REF_NOT_FOUND';
const UNLIMITED = { checkInterval: 0 };

describe('a name that is new upstream', () => {
  test('is found by one question, which all who ask at once share', async () => {
    const app = await start(UNLIMITED);
    await get(app);
    const commit = await push(bare, { branch: 'new' });
    await git(bare, 'tag', '-a', '-m', 'new', 'new-tag', commit);
    const asked = upstream.infoRefs(path);
    expect(await get(app, 'new')).toBe(commit);
    expect(upstream.infoRefs(path)).toBe(asked + 1);
    // That one brought the tag as well.
    expect(await Promise.all([get(app, 'new-tag'), get(app, 'new-tag', 1)])).toEqual([
      commit,
      commit,
    ]);
    expect(upstream.infoRefs(path)).toBe(asked + 1);
  });

  test('is found by the question that somebody else has just asked', async () => {
    const app = await start({ checkInterval: 600_000 });
    await get(app);
    const commit = await push(bare, { branch: 'new' });
    const gate = upstream.gate(path);
    const refreshed = app.router.service.refresh({ host: HOST, path });
    await gate.reached;
    const waiting = [get(app, 'new'), get(app, 'new', 1)];
    // By the time that these are made, the others were not found.
    for (const depth of [1, 2]) await get(app, 'main', depth);
    gate.release();
    await refreshed;
    expect(await Promise.all(waiting)).toEqual([commit, commit]);
    expect(upstream.infoRefs(path)).toBe(2);
  });
});

describe('a name that nothing has', () => {
  test('is not asked for more than once in a checkInterval, whatever it is', async () => {
    const app = await start({ checkInterval: 600_000 });
    expect(await get(app, 'bogus')).toBe(NOT_FOUND);
    const asked = upstream.requests.length;
    for (const ref of ['bogus', 'bogus', 'other', 'refs/heads/main', 'HEAD', 'main/x', 'mai']) {
      expect([ref, await get(app, ref, 1)]).toEqual([ref, NOT_FOUND]);
    }
    expect(upstream.requests.length).toBe(asked);
    expect(await get(app, 'main')).toBe(await git(bare, 'rev-parse', 'main'));
  });

  test('is not said not to exist while the upstream can not be asked', async () => {
    const app = await start(UNLIMITED);
    await get(app);
    upstream.fault(path, { kind: 'status', status: 500 });
    expect(await get(app, 'new')).toMatch(/^503 UPSTREAM_/);
    expect(await get(app, 'new')).toMatch(/^503 UPSTREAM_/);
    upstream.heal(path);
    expect(await get(app, 'new')).toBe(NOT_FOUND);
    const commit = await push(bare, { branch: 'new' });
    expect(await get(app, 'new')).toBe(commit);
  });

  test('in a repository that is not there is no ref that is not there', async () => {
    const app = await start();
    path = 'org/nothing';
    expect(await get(app, 'main', 1)).toBe('503 UPSTREAM_NOT_FOUND');
  });

  test('names no object but a commit', async () => {
    const app = await start();
    await git(bare, 'tag', '-a', '-m', 'a tree', 'annotated-tree', 'main^{tree}');
    await git(bare, 'tag', 'a-tree', 'main^{tree}');
    await git(bare, 'tag', 'a-blob', 'main:README.md');
    for (const ref of ['annotated-tree', 'a-tree', 'a-blob']) {
      expect([ref, await get(app, ref), await get(app, ref, 1)]).toEqual([
        ref,
        NOT_FOUND,
        NOT_FOUND,
      ]);
    }
  });
});

describe('a name with characters that mean something elsewhere', () => {
  const names = [
    'per%cent',
    'per%2Fcent',
    'a&depth=1',
    'a=b',
    'c++',
    '#1',
    'a#b',
    'semi;colon',
    'quo\'te"s',
    'doll$ar(s)',
    'ünï/cödé-🙂',
    '__proto__',
    'base=0',
    'x!y,z',
    'a/b/c/d',
    'main2',
    'at@sign',
    'pipe|<angle>',
    'A',
    'a',
    // The longest that a file system takes in one piece, less what git appends to it
    'l'.repeat(250),
    `${'m'.repeat(100)}/${'n'.repeat(100)}/${'o'.repeat(53)}`,
  ];

  test('is one of its own, for branches and tags', async () => {
    const app = await start();
    const commits = new Map<string, string>();
    for (const [i, name] of names.entries()) {
      const commit = await git(bare, 'commit-tree', '-m', `${i}`, 'main^{tree}');
      await git(
        bare,
        'update-ref',
        i % 2 === 0 ? `refs/heads/${name}` : `refs/tags/${name}`,
        commit,
      );
      commits.set(name, commit);
    }
    for (const [name, commit] of commits) {
      expect([name, await get(app, name, 1)]).toEqual([name, commit]);
    }
    expect(new Set(commits.values()).size).toBe(names.length);
  });

  test.each(['quo\'te"s/ünï-🙂', '#1;x&a=%2F'])(
    'gives the config that git writes: %s',
    async (name) => {
      const app = await start();
      await git(bare, 'branch', name, 'main');
      const [snapshot, clone] = [await directory(), join(await directory(), 'clone')];
      await extract(urlOf(app, name, 1), snapshot);
      await cloneWithGit(`${upstream.url}/${path}.git`, clone, '--depth=1', `--branch=${name}`);
      await expectSameCheckout(snapshot, clone, { originUrl: `${upstream.url}/${path}` });
      const commit = await push(bare, { branch: name });
      await git(snapshot, 'pull', '--quiet', '--ff-only');
      expect(await git(snapshot, 'rev-parse', 'HEAD')).toBe(commit);
    },
  );
});
