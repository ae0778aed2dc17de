/**
 * @one-node-version
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { objectsOfPack, parseBundle } from '../support/bundle.js';
import { bundleClient } from '../support/bundle-client.js';
import { ownRepository } from '../support/own-repository.js';
import { execute, git } from '../support/run.js';
import { buildDetached, buildEmpty, buildSmall, push } from '../support/small-repositories.js';

/*
 * The bundle of all branches and tags.
 */

const repository = ownRepository();
const { directory } = repository;
const client = bundleClient(repository);
const url = () => client.bundleUrl('').replace(/\?.*/, '');

/** A bundle, after git has found that it holds what the upstream has. @returns its file. */
async function checked(): Promise<string> {
  const { status, headers, body } = await client.ask(url());
  expect([status, headers.get('content-type')]).toEqual([200, 'application/x-git-bundle']);
  const { header, pack } = parseBundle(body);
  const file = join(await directory(), 'all.bundle');
  await writeFile(file, body);
  const upstream = (await git(repository.bare, 'show-ref', '--head')).split('\n').sort();
  expect(header[0]).toBe('# v2 git bundle');
  expect(header.slice(1).sort()).toEqual(upstream);
  const objects = ['rev-list', '--objects', '--no-object-names', '--all', 'HEAD'];
  const reachable = (await git(repository.bare, ...objects)).split('\n').sort();
  expect(await objectsOfPack(pack, join(await directory(), 'alone'))).toEqual(reachable);
  return file;
}

test.each([
  ['a branch and a tag', buildSmall],
  ['a detached HEAD', buildDetached],
])(
  'The bundle of a repository with %s is made for the first client, and git clones it',
  async (_, build) => {
    await build(repository.bare);
    const file = await checked();
    const clone = join(await directory(), 'clone');
    await git(await directory(), 'clone', '--quiet', file, clone);
    await git(clone, 'fsck', '--full', '--strict');
    expect(await git(clone, 'rev-parse', 'HEAD')).toBe(await client.commitOf('HEAD'));
  },
);

test('The bundle of a mirror with several packs has one pack', async () => {
  await buildSmall(repository.bare);
  await client.mirrored();
  await push(repository.bare, { files: { new: 'new\n' } });
  await push(repository.bare, { branch: 'other', files: { other: 'other\n' } });
  await client.noticed();
  await checked();
});

test('git clones with a bundle URI, and fetches only newer commits from the upstream', async () => {
  await buildSmall(repository.bare);
  await checked();
  const tip = await push(repository.bare, { files: { new: 'new\n' } });
  const clone = join(await directory(), 'clone');
  const { stderr } = await execute('git', [
    'clone',
    '--progress',
    `--bundle-uri=${url()}`,
    `${repository.url}.git`,
    clone,
  ]);
  expect(await git(clone, 'rev-parse', 'HEAD')).toBe(tip);
  await git(clone, 'fsck', '--full', '--strict');
  // The commit, its tree, the new file, and the tag: git takes only branches from the bundle.
  expect(stderr).toMatch(/Receiving objects: 100% \(4\/4\)/);
});

test('A stale bundle is served at once, and the next one has the new commits', async () => {
  await buildSmall(repository.bare);
  const { headers } = await client.ask(url());
  const tip = await push(repository.bare);
  await client.noticed();
  const build = new Promise((resolve) => {
    const { events } = client.app.router.service;
    events.on('jobEnded', (job) => job.kind === 'store' && resolve(undefined));
  });
  const stale = await client.ask(url());
  expect([stale.status, stale.headers.get('etag')]).toEqual([200, headers.get('etag')]);
  await build;
  const fresh = await client.ask(url());
  expect(parseBundle(fresh.body).header).toContain(`${tip} refs/heads/main`);
});

test('A repository without branches and tags has no bundle: git has no empty ones', async () => {
  await buildEmpty(repository.bare);
  const { status, body } = await client.ask(url());
  expect([status, JSON.parse(body.toString()).code]).toEqual([404, 'REF_NOT_FOUND']);
});
