/** @needs bash curl zstd tar */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extract } from '../support/clone.js';
import { statusReadsNothing } from '../support/first-status.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import type { HostApp } from '../support/host-app.js';
import { execute, git } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * A snapshot that is extracted where an older one was, which git has worked in since.
 */

const { directory, defer } = cleanup(afterEach);
const strict = { freshness: { staleWhileRevalidate: 0, maxAge: 0 } } as const;

let repository: FreshRepository;
let app: HostApp;
let checkout: string;

async function restore(build?: (bare: string) => Promise<void>): Promise<void> {
  repository = await freshRepository({ directory, defer }, build);
  app = await repository.startApp(strict);
  checkout = join(await directory(), 'checkout');
  await extract(app.snapshotUrl(repository.path), checkout);
}

async function expectExtractedOver(): Promise<void> {
  await extract(app.snapshotUrl(repository.path), checkout);
  const head = await repository.head();
  expect(await git(checkout, 'rev-parse', 'HEAD')).toBe(head);
  expect(await git(checkout, 'status', '--porcelain')).toBe('');
  expect(await fsck(checkout)).toEqual([]);
}

const loose = (branch: string) => stat(join(checkout, '.git/refs/heads', branch));

describe('A snapshot that is extracted over an older checkout moves HEAD', () => {
  test('if the older checkout has pulled since', async () => {
    await restore();
    await push(repository.bare, { files: { pulled: '1\n' } });
    await git(checkout, 'pull', '--quiet', '--ff-only');
    expect((await loose('main')).isFile()).toBe(true);
    await push(repository.bare, { files: { pulled: '2\n', later: 'later\n' } });
    await expectExtractedOver();
  });

  test('if the older checkout has a commit of its own', async () => {
    await restore();
    await writeFile(join(checkout, 'README.md'), 'mine\n');
    const identity = ['-c', 'user.name=me', '-c', 'user.email=me@example.org'];
    await git(checkout, ...identity, 'commit', '--quiet', '-am', 'mine');
    await push(repository.bare, { files: { later: 'later\n' } });
    await expectExtractedOver();
  });

  test('if the branch has a slash in its name', async () => {
    const branch = 'release/1.0/x';
    await restore(async (bare) => {
      await git('.', 'init', '--quiet', '--bare', `--initial-branch=${branch}`, bare);
      await push(bare, { branch });
    });
    await push(repository.bare, { branch, files: { pulled: '1\n' } });
    await git(checkout, 'pull', '--quiet', '--ff-only');
    await push(repository.bare, { branch, files: { pulled: '2\n' } });
    await expectExtractedOver();
  });
});

test('As in a clone of git, only the checked-out branch is a loose ref', async () => {
  await restore();
  expect((await loose('main')).isFile()).toBe(true);
  expect(await readdir(join(checkout, '.git/refs/heads'))).toEqual(['main']);
  const packed = await readFile(join(checkout, '.git/packed-refs'), 'utf8');
  expect(packed).toContain(' refs/remotes/origin/main\n');
  expect(packed).not.toContain(' refs/heads/main\n');
});

test('No file of a snapshot is newer than its commit, so tar prints no warning', async () => {
  await restore();
  const committedAt = Number(await git(checkout, 'log', '-1', '--format=%ct'));
  const list = 'curl -sSf "$1" | zstd -dc | tar -tv --full-time --utc';
  const { stdout } = await execute('bash', ['-c', list, 'bash', app.snapshotUrl(repository.path)]);
  const times = Array.from(
    stdout.matchAll(/ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) \.\//g),
    ([, day, time]) => Date.parse(`${day}T${time}Z`) / 1000,
  );
  expect(times.length).toBeGreaterThan(20);
  expect(Math.max(...times)).toBe(committedAt);
  expect(await statusReadsNothing(checkout)).toBeGreaterThan(0);
});
