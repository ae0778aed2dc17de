/**
 * @one-node-version
 */
import { bundleClient } from '../support/bundle-client.js';
import { HeldLocks } from '../support/held-locks.js';
import { HOST } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';

const repository = ownRepository();
const { defer } = repository;
const { start, commitOf, snapshotUrl, ask, mirrored, noticed } = bundleClient(repository);

describe('X-Cachew-Bundle-Url', () => {
  const locks = new HeldLocks();
  const header = async (query = '', init: RequestInit = {}) =>
    (await ask(snapshotUrl() + query, init)).headers.get('x-cachew-bundle-url');

  /** Brings the mirror up to date, but not the snapshot. */
  async function overtaken(): Promise<string> {
    const base = await commitOf('HEAD');
    await mirrored();
    locks.hold();
    defer(() => locks.release());
    const tip = await push(repository.bare);
    const body = JSON.stringify({ commits: [tip] });
    const url = snapshotUrl().replace('snapshot.tar.zst', 'ensure-refs');
    expect((await ask(url, { method: 'POST', body })).status).toBe(200);
    return base;
  }

  test('names the bundle since a snapshot that is older than the mirror', async () => {
    await buildSmall(repository.bare);
    await start({ locks });
    expect([await header(), await header()]).toEqual([null, null]);
    const base = await overtaken();
    const expected = `/git/${HOST}/${repository.path}/snapshot.bundle?base=${base}`;
    expect(await header()).toBe(expected);
    expect(await header('', { headers: { range: 'bytes=0-9' } })).toBe(expected);
    expect(await header('', { method: 'HEAD' })).toBe(expected);
    locks.release();
    await noticed();
    expect(await header()).toBeNull();
  });

  test('is sent for whole histories of HEAD only', async () => {
    await buildSmall(repository.bare);
    await start({ locks });
    await overtaken();
    expect([await header('?ref=v1.0.0'), await header('?depth=1')]).toEqual([null, null]);
  });

  test('is not sent without a mirror', async () => {
    await buildSmall(repository.bare);
    await start({ locks, budgets: { maxMirrorBytes: 0 } });
    await overtaken();
    expect(await header()).toBeNull();
  });
});
