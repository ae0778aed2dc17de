import { once } from 'node:events';
import { join } from 'node:path';
import { fromGitHub } from '../http/webhook/deliveries.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { startExample } from './example-server.js';

const { directory, defer } = cleanup(afterEach);

test('The webhook example brings a snapshot up to date after a push', async () => {
  const root = await directory();
  await buildSmall(join(root, 'org', 'repo'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const server = await startExample('webhook', {
    DATA_DIR: await directory(),
    GITHUB_BASE_URL: upstream.url,
    WEBHOOK_SECRET: 'old,secret',
  });
  defer(() => server.stop());

  const snapshot = `${server.url}/git/github.com/org/repo/snapshot.tar.zst`;
  const commitOf = async (method: string) => {
    const response = await fetch(snapshot, { method });
    await response.arrayBuffer();
    return response.headers.get('x-cachew-snapshot-commit');
  };
  const deliver = async (secret: string, url: string) => {
    const { headers, body } = fromGitHub(secret, { repository: { clone_url: url } });
    const { status } = await fetch(`${server.url}/webhook`, { method: 'POST', headers, body });
    return status;
  };

  const before = await commitOf('GET');
  const commit = await push(join(root, 'org', 'repo'));
  expect(commit).not.toBe(before);

  // None of these starts a check.
  const asked = upstream.requests.length;
  expect(await deliver('other', 'https://github.com/org/repo.git')).toBe(401);
  expect(await deliver('secret', 'https://github.com/org/unknown.git')).toBe(202);
  expect(await deliver('secret', 'https://gitlab.com/org/repo.git')).toBe(202);
  expect(upstream.requests).toHaveLength(asked);

  const checked = once(upstream, 'info-refs-started');
  expect(await deliver('secret', 'https://github.com/org/repo.git')).toBe(202);
  await checked;
  // HEAD never asks the upstream: that there is more to be had comes by itself.
  let bundle: string | null = null;
  while (bundle === null) {
    bundle = (await fetch(snapshot, { method: 'HEAD' })).headers.get('x-cachew-bundle-url');
  }
  expect(bundle).toBe(`/git/github.com/org/repo/snapshot.bundle?base=${before}`);
  const response = await fetch(`${server.url}${bundle}`);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain(`${commit} refs/heads/main`);
  expect(await server.stop()).toBe(0);
});

test('The webhook example does not start without its secret', async () => {
  const env = { DATA_DIR: await directory(), WEBHOOK_SECRET: '' };
  await expect(startExample('webhook', env)).rejects.toThrow('WEBHOOK_SECRET is not set');
});
