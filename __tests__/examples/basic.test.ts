/**
 * @needs bash curl tar zstd
 */
import { join } from 'node:path';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { startExample } from './example-server.js';

const { directory, defer } = cleanup(afterEach);

test('The basic example serves an archive that curl, zstd and tar unpack to a checkout', async () => {
  const root = await directory();
  await buildSmall(join(root, 'org', 'repo'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const env = { DATA_DIR: await directory(), GITHUB_BASE_URL: upstream.url };
  const server = await startExample('basic', env);
  defer(() => server.stop());

  const place = await directory();
  const snapshot = `${server.url}/git/github.com/org/repo/snapshot.tar.zst`;
  await extract(snapshot, join(place, 'cold'));
  await extract(snapshot, join(place, 'warm'));
  await cloneWithGit(`${upstream.url}/org/repo`, join(place, 'cloned'));
  for (const restored of ['cold', 'warm']) {
    const originUrl = 'https://github.com/org/repo';
    await expectSameCheckout(join(place, restored), join(place, 'cloned'), { originUrl });
  }
  expect(upstream.uploadPacks('org/repo')).toBe(2); // the server's, and git clone's

  const elsewhere = await fetch(`${server.url}/git/git.example/org/repo/snapshot.tar.zst`);
  expect(elsewhere.status).toBe(403);
  expect(await server.stop()).toBe(0);
});
