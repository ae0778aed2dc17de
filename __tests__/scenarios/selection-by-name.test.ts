/**
 * @needs bash curl tar zstd
 * @one-node-version
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import type { HostApp } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';

/*
 * Names of branches and tags: which are found, which are not, and how often the upstream is checked for them.
 */

const HOUR = 3_600_000;
/** Lets no check be due again while a test runs. */
const SELDOM = { checkInterval: HOUR, maxAge: HOUR } as const;
/** An unknown name causes a check each time. */
const ALWAYS = { checkInterval: 0, maxAge: HOUR } as const;

const repository = ownRepository(buildSmall);
const { directory } = repository;
const start = (freshness: typeof SELDOM | typeof ALWAYS) => repository.sharedApp({ freshness });

function urlOf(app: HostApp, ref?: string, depth?: number): string {
  const query = new URLSearchParams();
  if (ref !== undefined) query.set('ref', ref);
  if (depth !== undefined) query.set('depth', String(depth));
  return `${app.snapshotUrl(repository.path)}?${query}`;
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

describe('A name that is new in the upstream', () => {
  test('is found by one check, which concurrent requests share', async () => {
    const app = await start(ALWAYS);
    await get(app);
    const commit = await push(repository.bare, { branch: 'new' });
    await git(repository.bare, 'tag', '-a', '-m', 'new', 'new-tag', commit);
    const asked = repository.upstream.infoRefs(repository.path);
    expect(await get(app, 'new')).toBe(commit);
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked + 1);
    // That check has brought the tag as well.
    expect(await Promise.all([get(app, 'new-tag'), get(app, 'new-tag', 1)])).toEqual([
      commit,
      commit,
    ]);
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked + 1);
  });

  test('is found by the check of another request', async () => {
    const app = await start(SELDOM);
    await get(app);
    const commit = await push(repository.bare, { branch: 'new' });
    const gate = repository.upstream.gate(repository.path);
    const refreshed = app.router.service.refresh(repository.id);
    await gate.reached;
    const waiting = [get(app, 'new'), get(app, 'new', 1)];
    // When these are built, the others have been looked up in vain.
    for (const depth of [1, 2]) await get(app, 'main', depth);
    gate.release();
    await refreshed;
    expect(await Promise.all(waiting)).toEqual([commit, commit]);
    expect(repository.upstream.infoRefs(repository.path)).toBe(2);
  });
});

describe('A name that does not exist', () => {
  test('is checked once per checkInterval, together with all other such names', async () => {
    const app = await start(SELDOM);
    expect(await get(app, 'bogus')).toBe(NOT_FOUND);
    const asked = repository.upstream.requests.length;
    for (const ref of ['bogus', 'bogus', 'other', 'refs/heads/main', 'HEAD', 'main/x', 'mai']) {
      expect([ref, await get(app, ref, 1)]).toEqual([ref, NOT_FOUND]);
    }
    expect(repository.upstream.requests.length).toBe(asked);
    expect(await get(app, 'main')).toBe(await git(repository.bare, 'rev-parse', 'main'));
  });

  test('is reported as missing only when the upstream has answered', async () => {
    const app = await start(ALWAYS);
    await get(app);
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    expect(await get(app, 'new')).toMatch(/^503 UPSTREAM_/);
    expect(await get(app, 'new')).toMatch(/^503 UPSTREAM_/);
    repository.upstream.heal(repository.path);
    expect(await get(app, 'new')).toBe(NOT_FOUND);
    const commit = await push(repository.bare, { branch: 'new' });
    expect(await get(app, 'new')).toBe(commit);
  });

  test('fails like its repository if the repository is missing', async () => {
    const app = await start(SELDOM);
    await rm(repository.bare, { recursive: true });
    expect(await get(app, 'main', 1)).toBe('503 UPSTREAM_NOT_FOUND');
  });

  test('includes the names of trees and blobs', async () => {
    const app = await start(SELDOM);
    await git(repository.bare, 'tag', '-a', '-m', 'a tree', 'annotated-tree', 'main^{tree}');
    await git(repository.bare, 'tag', 'a-tree', 'main^{tree}');
    await git(repository.bare, 'tag', 'a-blob', 'main:README.md');
    for (const ref of ['annotated-tree', 'a-tree', 'a-blob']) {
      expect([ref, await get(app, ref), await get(app, ref, 1)]).toEqual([
        ref,
        NOT_FOUND,
        NOT_FOUND,
      ]);
    }
  });
});

describe('A name with characters that have a meaning in URLs, shells or git', () => {
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

  test('is served as it is, for branches and tags', async () => {
    const app = await start(SELDOM);
    const builder = await RepositoryBuilder.open(repository.bare);
    const marks = names.map((name, i) => {
      const branch = i % 2 === 0 ? `refs/heads/${name}` : `refs/tags/${name}`;
      return builder.commit({ branch, parents: [], message: `${i}\n` });
    });
    const ids = await builder.finish();
    const commits = new Map(names.map((name, i) => [name, ids.get(marks[i] ?? '')]));
    for (const [name, commit] of commits) {
      expect([name, await get(app, name, 1)]).toEqual([name, commit]);
    }
    expect(new Set(commits.values()).size).toBe(names.length);
  });

  test.each(['quo\'te"s/ünï-🙂', '#1;x&a=%2F'])(
    'gives the config that git writes: %s',
    async (name) => {
      const app = await start(SELDOM);
      await git(repository.bare, 'branch', name, 'main');
      const [snapshot, clone] = [await directory(), join(await directory(), 'clone')];
      await extract(urlOf(app, name, 1), snapshot);
      await cloneWithGit(`${repository.url}.git`, clone, '--depth=1', `--branch=${name}`);
      await expectSameCheckout(snapshot, clone, { originUrl: repository.url });
      const commit = await push(repository.bare, { branch: name });
      await git(snapshot, 'pull', '--quiet', '--ff-only');
      expect(await git(snapshot, 'rev-parse', 'HEAD')).toBe(commit);
    },
  );
});
