/** @one-node-version */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import { fsck } from '../support/fsck.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { buildEmpty, buildSmall } from '../support/small-repositories.js';

const repository = ownRepository(buildSmall);
const { directory } = repository;

async function makeEmpty(): Promise<void> {
  await rm(repository.bare, { recursive: true });
  await buildEmpty(repository.bare);
}

async function makeUnborn(): Promise<void> {
  await git(repository.bare, 'symbolic-ref', 'HEAD', 'refs/heads/to-come');
}

const kinds = [
  ['An empty repository', makeEmpty],
  ['A HEAD that names a branch without commits', makeUnborn],
] as const;

describe.each(kinds)('%s', (_, make) => {
  test.each([
    ['its branch, of an upstream that speaks protocol 2', false],
    ['the default branch, of one that does not', true],
  ])('comes with the name of %s, as git clones it', async (_name, isOld) => {
    const { upstream, path, url } = repository;
    await make();
    if (isOld) upstream.fault(path, { kind: 'protocol-0' });
    const app = await repository.sharedApp();
    const [snapshot, clone] = [join(await directory(), 'a'), join(await directory(), 'b')];
    await restoreSnapshot({ url: app.snapshotUrl(path), directory: snapshot });
    await git('.', '-c', 'init.defaultBranch=master', 'clone', '--quiet', url, clone);
    for (const args of [['symbolic-ref', 'HEAD'], ['for-each-ref'], ['status', '--porcelain']]) {
      expect(await git(snapshot, ...args)).toBe(await git(clone, ...args));
    }
    expect(await fsck(snapshot)).toEqual(await fsck(clone));
  });
});

test('A HEAD that names a branch without commits comes as the default branch, if that has some, of an upstream that does not say the name', async () => {
  const { bare, upstream, path, url } = repository;
  await git(bare, 'branch', '-m', 'main', 'master');
  await makeUnborn();
  upstream.fault(path, { kind: 'protocol-0' });
  const app = await repository.sharedApp();
  const [snapshot, clone] = [join(await directory(), 'a'), join(await directory(), 'b')];
  await restoreSnapshot({ url: app.snapshotUrl(path), directory: snapshot });
  await git('.', '-c', 'init.defaultBranch=master', 'clone', '--quiet', url, clone);
  const status = ['status', '--porcelain=v2', '--branch'];
  for (const args of [['symbolic-ref', 'HEAD'], status, ['ls-files', '--stage']]) {
    expect(await git(snapshot, ...args)).toBe(await git(clone, ...args));
  }
  expect(await git(snapshot, 'ls-files')).not.toBe('');
});
