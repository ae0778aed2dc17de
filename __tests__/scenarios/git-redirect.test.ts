/**
 * @one-node-version
 */
import { join } from 'node:path';
import type { Authorize } from '../../lib/index.js';
import { HOST } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { execute, git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';

const repository = ownRepository(buildSmall);
const { directory, startApp } = repository;

/** Settings by which git asks the app for what is at `HOST`. */
async function insteadOf(
  redirectGit: boolean,
  authorize: Authorize = () => true,
): Promise<string[]> {
  const app = await startApp({ redirectGit, authorize });
  return ['-c', `url.${app.url}/git/${HOST}/.insteadOf=https://${HOST}/`];
}

const url = () => `https://${HOST}/${repository.path}.git`;

test('With `redirectGit`, git clones and pulls through the app', async () => {
  const settings = await insteadOf(true);
  const target = join(await directory(), 'clone');
  await git('.', ...settings, 'clone', '--quiet', url(), target);
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(await repository.head());
  const pushed = await push(repository.bare);
  await git(target, ...settings, 'pull', '--quiet', '--ff-only');
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(pushed);
  expect(await git(target, 'config', 'remote.origin.url')).toBe(url());
});

test('With `redirectGit`, a repository that a client may not read is refused', async () => {
  const settings = await insteadOf(true, () => false);
  const { code, stderr } = await execute('git', [...settings, 'ls-remote', url()]);
  expect(code).not.toBe(0);
  expect(stderr).toContain('403');
});

test('With `redirectGit`, authorize can admit git, and demand credentials from all other clients', async () => {
  const settings = await insteadOf(
    true,
    (_req, _repository, { artifact }) =>
      artifact === 'git' || { status: 401, challenge: 'Basic realm="snapshots"' },
  );
  const target = join(await directory(), 'clone');
  await git('.', ...settings, 'clone', '--quiet', url(), target);
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(await repository.head());
});

test('Without `redirectGit`, requests of git go to the host app', async () => {
  const { stderr } = await execute('git', [...(await insteadOf(false)), 'ls-remote', url()]);
  expect(stderr).toContain('not found');
});
