import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import { git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { startExample } from './example-server.js';

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

test('The example of private repositories does not start without its tokens', async () => {
  await expect(startExample('private-repos', { GITHUB_ORG: 'my-org' })).rejects.toThrow(
    'ended with 1: set GITHUB_TOKEN, SNAPSHOT_TOKEN',
  );
});
