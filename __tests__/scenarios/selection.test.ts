/**
 * @needs bash curl tar zstd
 * @one-node-version
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { statusReadsNothing } from '../support/first-status.js';
import { fsck } from '../support/fsck.js';
import type { HostApp } from '../support/host-app.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { ownRepository } from '../support/own-repository.js';
import { execute, git } from '../support/run.js';
import { buildDetached, buildEmpty, buildSmall, push } from '../support/small-repositories.js';
import { buildTangledHistory } from '../support/tangled-history.js';

/*
 * `ref` and `depth` select the same commits and files as git's own clone with `--branch` and `--depth`.
 */

const repository = ownRepository();
const { directory } = repository;
const at = (name: string) => join(repository.root, `org/${name}.git`);

let app: HostApp;

beforeAll(async () => {
  await buildTangledHistory(at('tangled'));
  await buildKitchenSink(at('kitchen-sink'), { largeBytes: 100_000 });
  await buildDetached(at('detached'));
  await buildSmall(at('detached-aside'));
  const aside = await push(at('detached-aside'), { branch: 'gone' });
  await git(at('detached-aside'), 'update-ref', '--no-deref', 'HEAD', aside);
  await git(at('detached-aside'), 'branch', '-D', 'gone');
  await buildEmpty(at('empty'));
  await buildSmall(at('unborn'));
  await git(at('unborn'), 'symbolic-ref', 'HEAD', 'refs/heads/to-come');
  app = await repository.sharedApp({ budgets: { maxVariants: 1000 } });
});

interface Selected {
  ref?: string;
  depth?: number;
}

interface Checkouts {
  snapshot: string;
  clone: string;
}

async function checkOut(name: string, { ref, depth }: Selected): Promise<Checkouts> {
  const path = `org/${name}`;
  const query = new URLSearchParams();
  const options: string[] = [];
  if (ref !== undefined) {
    query.set('ref', ref);
    options.push('--branch', ref);
  }
  if (depth !== undefined) {
    query.set('depth', String(depth));
    options.push('--depth', String(depth));
  }
  const [snapshot, clone] = [join(await directory(), 'snapshot'), join(await directory(), 'clone')];
  await Promise.all([
    extract(`${app.snapshotUrl(path)}?${query}`, snapshot),
    cloneWithGit(`${repository.upstream.url}/${path}.git`, clone, ...options),
  ]);
  return { snapshot, clone };
}

async function expectSame(name: string, { snapshot, clone }: Checkouts): Promise<void> {
  await expectSameCheckout(snapshot, clone, {
    originUrl: `${repository.upstream.url}/org/${name}`,
  });
  const describe = async (checkout: string) => ({
    shallow: await shallowFile(checkout),
    fsck: await fsck(checkout),
    objects: await git(checkout, 'cat-file', '--batch-all-objects', '--batch-check'),
  });
  const [actual, expected] = await Promise.all([describe(snapshot), describe(clone)]);
  expect(actual).toEqual(expected);
}

async function shallowFile(checkout: string): Promise<string | undefined> {
  return await readFile(join(checkout, '.git/shallow'), 'utf8').catch(() => undefined);
}

const REFS = [
  'main',
  'topic/left',
  'topic/long',
  'shortcut',
  'other-root',
  'at-root',
  'both',
  'v1',
  'v2',
  'tip',
  'light',
  'release/light',
  'aside',
  'nested',
  'nested-twice',
];

describe('A history with merges, several roots and all kinds of tags', () => {
  test.each<Selected>([
    ...['topic/left', 'both', 'v1', 'nested-twice'].map((ref) => ({ ref })),
    ...[1, 2, 5, 100].map((depth) => ({ depth })),
    ...REFS.map((ref, i) => ({ ref, depth: 1 + (i % 2) })),
    ...[3, 2_147_483_647].map((depth) => ({ ref: 'shortcut', depth })),
  ])('is cut as git cuts it: %j', async (selected) => {
    await expectSame('tangled', await checkOut('tangled', selected));
  });
});

describe('A repository with all kinds of files and names', () => {
  test.each<Selected>([{ ref: 'feature/a/b' }, { depth: 1 }, { ref: 'feature/ünïcode', depth: 2 }])(
    'is what git clone gives, and its first git status reads no file: %j',
    async (selected) => {
      const checkouts = await checkOut('kitchen-sink', selected);
      await expectSame('kitchen-sink', checkouts);
      expect(await git(checkouts.snapshot, 'status', '--porcelain')).toBe('');
      expect(await statusReadsNothing(checkouts.snapshot)).toBeGreaterThan(0);
    },
  );
});

describe.each(['detached', 'detached-aside', 'unborn', 'empty'])(
  'A repository with a HEAD that is %s',
  (name) => {
    const ref = name === 'detached' ? 'v1.0.0' : 'main';
    const withRef: Selected[] = name === 'empty' ? [] : [{ ref }, { ref, depth: 1 }];
    test.each<Selected>([{ depth: 1 }, ...withRef])(
      'is what git clone gives: %j',
      async (selected) => {
        const checkouts = await checkOut(name, selected);
        await expectSame(name, checkouts);
      },
    );
  },
);

describe('A shallow history', () => {
  test.each<Selected>([{ depth: 1 }, { ref: 'v2', depth: 2 }])(
    'can be completed by git fetch --unshallow: %j',
    async (selected) => {
      const checkouts = await checkOut('tangled', selected);
      const { snapshot, clone } = checkouts;
      for (const checkout of [snapshot, clone]) {
        await git(checkout, 'fetch', '--quiet', '--unshallow');
      }
      await expectSame('tangled', checkouts);
      expect(await shallowFile(snapshot)).toBeUndefined();
      expect(await git(snapshot, 'rev-list', '--count', 'HEAD')).toBe(
        await git(clone, 'rev-list', '--count', 'HEAD'),
      );
    },
  );

  test('can be pulled, deepened and garbage-collected', async () => {
    const bare = at('moving');
    await buildTangledHistory(bare);
    const { snapshot } = await checkOut('moving', { ref: 'topic/long', depth: 2 });
    const commit = await push(bare, { branch: 'topic/long' });
    await git(snapshot, 'pull', '--quiet', '--ff-only');
    expect(await git(snapshot, 'rev-parse', 'HEAD')).toBe(commit);
    await git(snapshot, 'fetch', '--quiet', '--deepen=1');
    expect(await git(snapshot, 'rev-list', '--count', 'HEAD')).toBe('4');
    await git(snapshot, 'gc', '--quiet', '--prune=now');
    expect(await fsck(snapshot)).toEqual([]);
    expect(await git(snapshot, 'status', '--porcelain')).toBe('');
  });

  test('contains no commit beyond its depth', async () => {
    const { snapshot } = await checkOut('tangled', { depth: 1 });
    expect((await execute('git', ['rev-parse', 'HEAD^'], { cwd: snapshot })).code).not.toBe(0);
    expect(await git(snapshot, 'rev-list', '--count', 'HEAD')).toBe('1');
  });
});
