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

/** The token that each host accepts: GitHub the app's, GitLab the one in the file. */
const TOKENS = {
  github: { username: 'x-access-token', password: 'token-1' },
  gitlab: { username: 'deployer', password: 'gldt-2' },
};

async function startPrivateUpstream() {
  const root = await directory();
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const repositories = [
    ['my-org/repo', TOKENS.github],
    ['my-group/repo', TOKENS.gitlab],
    ['my-group/sub/repo', TOKENS.gitlab],
  ] as const;
  for (const [repository, token] of repositories) {
    await buildSmall(join(root, repository));
    upstream.fault(repository, { kind: 'require-basic-auth', ...token });
  }
  return upstream;
}

test('The example of private repositories asks clients for a token, and gives GitHub and GitLab its own', async () => {
  const upstream = await startPrivateUpstream();
  const github = await startFakeGitHub(defer);
  github.installations.set('my-org', 1);
  const files = await directory();
  const [keyFile, tokenFile] = [join(files, 'key.pem'), join(files, 'token')];
  await writeFile(keyFile, github.privateKey);
  await writeFile(tokenFile, 'gldt-1\n');
  const server = await startExample('private-repos', {
    DATA_DIR: await directory(),
    GITHUB_BASE_URL: upstream.url,
    GITHUB_API_URL: github.url,
    GITHUB_ORG: 'My-Org',
    GITHUB_APP_ID: github.appId,
    GITHUB_APP_KEY_FILE: keyFile,
    GITLAB_BASE_URL: upstream.url,
    GITLAB_GROUP: 'my-group',
    GITLAB_USERNAME: 'deployer',
    GITLAB_TOKEN_FILE: tokenFile,
    SNAPSHOT_TOKEN: 'client-token',
  });
  defer(() => server.stop());
  const urlOf = (path: string) => `${server.url}/git/${path}/snapshot.tar.zst`;
  const statusOf = async (path: string, headers: Record<string, string>) => {
    const response = await fetch(urlOf(path), { headers });
    await response.arrayBuffer();
    return response.status;
  };

  const known = { authorization: 'Bearer client-token' };
  const path = 'github.com/my-org/repo';
  expect(await statusOf(path, {})).toBe(401);
  expect(await statusOf(path, { authorization: 'Bearer client-toke' })).toBe(401);
  expect(await statusOf(path, { authorization: 'Basic client-token' })).toBe(401);
  expect(await statusOf('github.com/other-org/repo', known)).toBe(403);
  expect(await statusOf('gitlab.com/my-org/repo', known)).toBe(403);
  expect(upstream.requests).toEqual([]);

  const restored = join(await directory(), 'restored');
  await restoreSnapshot({ url: urlOf(path), directory: restored, headers: known });
  expect(await git(restored, 'status', '--porcelain')).toBe('');
  expect(await git(restored, 'remote', 'get-url', 'origin')).toBe('https://github.com/my-org/repo');

  expect(await statusOf('gitlab.com/my-group/repo', known)).toBe(503);
  await writeFile(tokenFile, 'gldt-2\n');
  expect(await statusOf('gitlab.com/my-group/sub/repo', known)).toBe(200);
  expect(await server.stop()).toBe(0);
});

interface Hosts {
  readonly hosts: Record<string, { credentials(): unknown }>;
}

test('The example of private repositories takes a token of GitHub by itself, and does not start without its tokens', async () => {
  const url = pathToFileURL(join('examples', 'private-repos', 'hosts.js'));
  const { hostsOf }: { hostsOf(env: object): Promise<Hosts> } = await import(url.href);
  const { hosts } = await hostsOf({ GITHUB_ORG: 'my-org', GITHUB_TOKEN: 'ghp_1' });
  const given = await hosts['github.com']?.credentials();
  expect(given).toEqual({ username: 'x-access-token', password: 'ghp_1' });

  await expect(hostsOf({})).rejects.toThrow('set GITHUB_ORG or GITLAB_GROUP');
  await expect(hostsOf({ GITHUB_ORG: 'my-org', GITHUB_APP_ID: '1' })).rejects.toThrow(
    'set GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_KEY_FILE',
  );
  await expect(hostsOf({ GITLAB_GROUP: 'group' })).rejects.toThrow('set GITLAB_TOKEN_FILE');
  await expect(startExample('private-repos', { GITHUB_ORG: 'my-org' })).rejects.toThrow(
    'set SNAPSHOT_TOKEN',
  );
});
