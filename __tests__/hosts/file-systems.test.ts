/**
 * @needs exfat ntfs
 * @one-node-version
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import { cloneWithGit } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { statusReadsNothing } from '../support/first-status.js';
import type { HostApp } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import type { Files } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { CAN_MOUNT, MOUNTS } from './mounts.js';

/*
 * Real file systems in files: git's own clone onto the same file system is the judge. These tests are
 * skipped unless root runs them: only root can mount.
 */

const repository = ownRepository();
const { directory, defer } = repository;

let app: HostApp;

beforeAll(async () => {
  app = await repository.sharedApp();
});

const FILES: Files = {
  'README.md': 'read me\n',
  'bin/run.sh': { mode: '100755', content: '#!/bin/sh\n' },
  'grün/ä.txt': 'umlauts\n',
  'link.txt': { mode: '120000', content: 'README.md' },
  linked: { mode: '120000', content: 'bin' },
  dangling: { mode: '120000', content: 'no/such/file' },
};

/** Names that are one where case is folded: of files, of links, and of both with directories. */
const COLLIDING: Files = {
  README: 'upper\n',
  readme: 'lower\n',
  'Dir/a': 'a\n',
  'dir/A': 'A\n',
  'dir/b': 'b\n',
  'x/File': 'same size 1\n',
  'x/file': 'same size 2\n',
  'x/Link': { mode: '120000', content: 'file' },
  'x/link': 'a file\n',
  Escape: { mode: '120000', content: '/tmp' },
  'escape/into': 'not through the link\n',
};
const COLLISIONS = [
  'Dir/a',
  'Escape',
  'README',
  'dir/A',
  'readme',
  'x/File',
  'x/Link',
  'x/file',
  'x/link',
];

async function commit(files: Files): Promise<string> {
  await git('.', 'init', '--quiet', '--bare', '--initial-branch=main', repository.bare);
  await push(repository.bare, { files });
  return app.snapshotUrl(repository.path);
}

/** Clones files with git onto a file system, and restores them there. */
async function both(place: string, files: Files) {
  const url = await commit(files);
  const cloned = join(place, 'cloned');
  const restored = join(place, 'restored');
  await cloneWithGit(repository.url, cloned);
  const result = await restoreSnapshot({ url, directory: restored });
  return { cloned, restored, result };
}

const mounts = Object.entries(MOUNTS);

(CAN_MOUNT ? describe : describe.skip).each(mounts)('On %s', (name, mount) => {
  let place: string;

  beforeEach(async () => {
    place = await mount({ directory, defer });
  });

  test('a restored checkout is as git clones it: files, config and a clean status', async () => {
    const { cloned, restored, result } = await both(place, FILES);
    await expectSameCheckout(restored, cloned);
    expect(await git(restored, 'status', '--porcelain')).toBe('');
    expect(await readFile(join(restored, 'link.txt'), 'utf8')).toMatch(/^README.md$|^read me\n$/);
    expect(result).toMatchObject({ collisions: [], skipped: [] });
  });

  test('the first status reads no file', async () => {
    const restored = join(place, 'restored');
    await restoreSnapshot({ url: await commit(FILES), directory: restored });
    expect(await statusReadsNothing(restored, place)).toBeGreaterThan(0);
  });

  test('the mounted directory itself is a target', async () => {
    const names = await readdir(place); // some have one for lost files
    await restoreSnapshot({ url: await commit(FILES), directory: place });
    expect(await git(place, 'status', '--porcelain')).toBe('');
    const added = (await readdir(place)).filter((one) => !names.includes(one));
    const lowered = added.map((one) => one.toLowerCase());
    expect(lowered.sort()).toEqual([
      '.git',
      'bin',
      'dangling',
      'grün',
      'link.txt',
      'linked',
      'readme.md',
    ]);
  });

  test('of names that are one, the file stays that git keeps, and all are listed', async () => {
    // In exfat-fuse, git can't look at a file that became a directory for a second.
    const paths = Object.entries(COLLIDING).filter(
      ([path]) => path !== 'Escape' || name !== 'exFAT',
    );
    const files = Object.fromEntries(paths);
    const { cloned, restored, result } = await both(place, files);
    await expectSameCheckout(restored, cloned);
    const folds = (await readdir(cloned)).filter((one) => /^readme$/i.test(one)).length === 1;
    const collisions = COLLISIONS.filter((path) => path in files);
    expect(result.collisions).toEqual(folds ? collisions : []);
    expect(await readFile(join(restored, 'escape/into'), 'utf8')).toBe('not through the link\n');
  });

  test('a name that the file system refuses has an error of its own, or is skipped', async () => {
    const url = await commit({ 'ok.txt': 'ok\n', 'a:b': 'stream\n', 'd/caf\udce9': 'latin1\n' });
    const restored = join(place, 'restored');
    const result = await restoreSnapshot({ url, directory: restored, onUnsupported: 'skip' });
    const expected =
      {
        exFAT: ['a:b', 'd/caf\ufffd'],
        'NTFS of Windows': ['a:b', 'd/caf\ufffd'],
        'NTFS of Linux': ['d/caf\ufffd'],
      }[name] ?? [];
    expect(result.skipped).toEqual(expected);
    // git says nothing of a name that is no UTF-8 here.
    expect(await git(restored, 'status', '--porcelain')).toBe(
      expected.includes('a:b') ? ' D a:b' : '',
    );
    if (expected.length === 0) return;
    const failing = restoreSnapshot({ url, directory: join(place, 'failed') });
    await expect(failing).rejects.toMatchObject({
      code: 'NAME_UNSUPPORTED',
      message: expect.stringContaining(expected[0] ?? ''),
    });
    expect((await readdir(place)).filter((one) => /fail|\.tmp$/.test(one))).toEqual([]);
  });
});
