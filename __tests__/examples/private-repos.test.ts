import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { restoreSnapshot } from '../../lib/client/index.js';
import { git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { startExample } from './example-server.js';
import { startFakeGitHub } from './fake-github.js';

const { directory, defer } = cleanup(afterEach);

test('The example of private repositories asks clients for a token and gives the upstream its own', async () => {
  const root = await directory();
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  for (const repository of ['my-org/repo', 'other-org/repo']) {
    await buildSmall(join(root, repository));
    upstream.fault(repository, {
      kind: 'require-basic-auth',
      username: 'x-access-token',
      password: 'upstream-token',
    });
  }
  const server = await startExample('private-repos', {
    DATA_DIR: await directory(),
    GITHUB_BASE_URL: upstream.url,
    GITHUB_ORG: 'my-org',
    GITHUB_TOKEN: 'upstream-token',
    SNAPSHOT_TOKEN: 'client-token',
  });
  defer(() => server.stop());
  const urlOf = (path: string) => `${server.url}/git/github.com/${path}/snapshot.tar.zst`;
  const statusOf = async (path: string, headers: Record<string, string>) =>
    (await fetch(urlOf(path), { headers })).status;

  const known = { authorization: 'Bearer client-token' };
  expect(await statusOf('my-org/repo', {})).toBe(401);
  expect(await statusOf('my-org/repo', { authorization: 'Bearer client-toke' })).toBe(401);
  expect(await statusOf('my-org/repo', { authorization: 'Basic client-token' })).toBe(401);
  expect(await statusOf('other-org/repo', known)).toBe(403);
  expect(upstream.requests).toEqual([]);

  const restored = join(await directory(), 'restored');
  await restoreSnapshot({ url: urlOf('my-org/repo'), directory: restored, headers: known });
  expect(await git(restored, 'status', '--porcelain')).toBe('');
  expect(await git(restored, 'remote', 'get-url', 'origin')).toBe('https://github.com/my-org/repo');
  expect(await server.stop()).toBe(0);
});

test('The example of private repositories takes tokens of a GitHub App, and GitLab tokens from a file', async () => {
  const root = await directory();
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  await buildSmall(join(root, 'my-org', 'repo'));
  await buildSmall(join(root, 'my-group', 'repo'));
  await buildSmall(join(root, 'my-group', 'sub', 'repo'));
  const ofGitHub = { username: 'x-access-token', password: 'token-1' };
  const ofGitLab = { username: 'deployer', password: 'gldt-1' };
  upstream.fault('my-org/repo', { kind: 'require-basic-auth', ...ofGitHub });
  upstream.fault('my-group/repo', { kind: 'require-basic-auth', ...ofGitLab });
  upstream.fault('my-group/sub/repo', { kind: 'require-basic-auth', ...ofGitLab });
  const github = await startFakeGitHub(defer);
  github.installations.set('my-org', 1);
  const files = await directory();
  await writeFile(join(files, 'key.pem'), github.privateKey);
  await writeFile(join(files, 'token'), 'expired\n');
  const server = await startExample('private-repos', {
    DATA_DIR: await directory(),
    GITHUB_BASE_URL: upstream.url,
    GITHUB_API_URL: github.url,
    GITHUB_ORG: 'My-Org',
    GITHUB_APP_ID: github.appId,
    GITHUB_APP_KEY_FILE: join(files, 'key.pem'),
    GITLAB_BASE_URL: upstream.url,
    GITLAB_GROUP: 'my-group',
    GITLAB_USERNAME: 'deployer',
    GITLAB_TOKEN_FILE: join(files, 'token'),
    SNAPSHOT_TOKEN: 'client-token',
  });
  defer(() => server.stop());
  const headers = { authorization: 'Bearer client-token' };
  const statusOf = async (path: string) => {
    const response = await fetch(`${server.url}/git/${path}/snapshot.tar.zst`, { headers });
    await response.arrayBuffer();
    return response.status;
  };
  expect(await statusOf('github.com/my-org/repo')).toBe(200);
  expect(await statusOf('gitlab.com/my-group/repo')).toBe(503);
  await writeFile(join(files, 'token'), 'gldt-1\n');
  expect(await statusOf('gitlab.com/my-group/sub/repo')).toBe(200);
  expect(await statusOf('gitlab.com/my-org/repo')).toBe(403);
  expect(await server.stop()).toBe(0);
});

test('The example of private repositories does not start without its tokens', async () => {
  const url = pathToFileURL(join('examples', 'private-repos', 'hosts.js'));
  const { hostsOf }: { hostsOf(env: object): Promise<unknown> } = await import(url.href);
  await expect(hostsOf({})).rejects.toThrow('set GITHUB_ORG or GITLAB_GROUP');
  await expect(hostsOf({ GITHUB_ORG: 'my-org', GITHUB_APP_ID: '1' })).rejects.toThrow(
    'set GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_KEY_FILE',
  );
  await expect(hostsOf({ GITLAB_GROUP: 'group' })).rejects.toThrow('set GITLAB_TOKEN_FILE');
  await expect(startExample('private-repos', { GITHUB_ORG: 'my-org' })).rejects.toThrow(
    'set SNAPSHOT_TOKEN',
  );
});
