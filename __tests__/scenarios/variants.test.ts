/**
 * @needs bash curl tar zstd
 * @one-node-version
 */

import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { FileSystemStore, MemoryStore, SnapshotError } from '../../lib/index.js';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { counter } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { listen } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { buildTangledHistory } from '../support/tangled-history.js';

/*
 * How snapshots by `ref` and `depth` are stored: each by itself, a limited number of them, and as fresh as their
 * mirror.
 */

const STRICT = { staleWhileRevalidate: 0, maxAge: 0 } as const;
/** The upstream is not asked again while a test runs. */
const SELDOM = { maxAge: 3_600_000 } as const;

const repository = ownRepository(buildTangledHistory);
const { directory, startApp, sharedApp } = repository;
const commitOf = (name: string) => git(repository.bare, 'rev-parse', name);
const urlOf = (app: HostApp, query: string, path = repository.path) =>
  app.snapshotUrl(path) + query;

interface Answer {
  etag: string | null;
  commit: string | null;
  bytes: Buffer;
}

async function get(app: HostApp, query = '', path = repository.path): Promise<Answer> {
  const response = await fetch(urlOf(app, query, path));
  expect([query, response.status]).toEqual([query, 200]);
  const { headers } = response;
  return {
    etag: headers.get('etag'),
    commit: headers.get('x-cachew-snapshot-commit'),
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

async function isStored(app: HostApp, query = '', path = repository.path): Promise<boolean> {
  const { status } = await fetch(urlOf(app, query, path), { method: 'HEAD' });
  return status === 200;
}

/** The queries whose snapshots are stored. */
async function storedOf(app: HostApp, queries: string[]): Promise<string[]> {
  // The answer waits until the snapshot is stored and others are evicted for it.
  for (const query of queries) await isStored(app, query);
  const stored: string[] = [];
  for (const query of queries) if (await isStored(app, query)) stored.push(query);
  return stored;
}

/** Lets the clock pass a tick, so that the next use is later than the last one. */
async function laterOn(): Promise<void> {
  for (const now = Date.now(); Date.now() === now; ) await setImmediate();
}

/** Counts the builds that begin during some work. */
async function buildsOf(app: HostApp, work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const end = listen(app.router.service, 'build done', () => count++);
  await work();
  end();
  return count;
}

describe('A snapshot by ref or depth', () => {
  test('is stored under its own key, and served like any snapshot', async () => {
    const app = await sharedApp({ freshness: SELDOM });
    const commit = await commitOf('main~1');
    const queries = ['', '?ref=topic/left', '?depth=1', '?ref=v2&depth=2', `?ref=${commit}`];
    queries.push(`?ref=${commit}&depth=1`, '?ref=main', '?ref=both&depth=3', '?ref=light');
    const first = new Map<string, Answer>();
    for (const query of queries) first.set(query, await get(app, query));
    expect(await storedOf(app, queries)).toEqual(queries);
    const work = async () => {
      for (const query of queries) {
        const answer = first.get(query);
        expect(await get(app, query)).toEqual(answer);
        const headers = { range: 'bytes=100-199', 'if-match': answer?.etag ?? '' };
        const part = await fetch(urlOf(app, query), { headers });
        expect(part.status).toBe(206);
        const bytes = Buffer.from(await part.arrayBuffer());
        expect(bytes).toEqual(answer?.bytes.subarray(100, 200));
        const same = { 'if-none-match': answer?.etag ?? '' };
        expect((await fetch(urlOf(app, query), { headers: same })).status).toBe(304);
      }
    };
    expect(await buildsOf(app, work)).toBe(0);
    const tags = queries.filter((query) => query !== '?ref=main').map((q) => first.get(q)?.etag);
    expect(new Set(tags).size).toBe(tags.length);
    // Equal snapshots have equal tags.
    expect(first.get('?ref=main')).toEqual(first.get(''));
  });

  test('has the same bytes whenever it is built', async () => {
    const app = await sharedApp({ freshness: SELDOM });
    for (const [query, selected] of [
      ['?ref=shortcut&depth=3', { ref: 'shortcut', depth: 3 }],
      ['?depth=1', { depth: 1 }],
      ['?ref=v2', { ref: 'v2' }],
    ] as const) {
      const first = await get(app, query);
      await app.router.service.delete({ ...repository.snapshot, ...selected });
      expect(await isStored(app, query)).toBe(false);
      expect(await get(app, query)).toEqual(first);
    }
  });
});

describe('With snapshots by ref or depth', () => {
  test('the least recently used are evicted first, and never the default snapshot', async () => {
    const app = await sharedApp({ freshness: SELDOM, budgets: { maxVariants: 2 } });
    const [a, b, c, d] = ['?depth=1', '?depth=2', '?ref=v1', '?ref=v1&depth=1'] as const;
    const all = ['', a, b, c, d];
    for (const query of ['', a, b, a]) {
      await get(app, query);
      await laterOn();
    }
    expect(await storedOf(app, all)).toEqual(['', a, b]);
    await get(app, c);
    expect(await storedOf(app, all)).toEqual(['', a, c]);
    await laterOn();
    await get(app, d);
    expect(await storedOf(app, all)).toEqual(['', c, d]);
  });

  test('none is stored if maxVariants is 0, and each is served completely', async () => {
    const app = await sharedApp({ freshness: SELDOM, budgets: { maxVariants: 0 } });
    const [first, second] = [await get(app, '?depth=1'), await get(app, '?depth=1')];
    expect(second).toEqual(first);
    const headers = { range: 'bytes=0-9' };
    const ranged = await fetch(urlOf(app, '?depth=1'), { headers });
    expect([ranged.status, (await ranged.arrayBuffer()).byteLength]).toEqual([
      200,
      first.bytes.length,
    ]);
    await get(app);
    expect(await storedOf(app, ['', '?depth=1'])).toEqual(['']);
  });

  test('a new one is stored, and the failure reported, if the store fails to list or delete others', async () => {
    const store = new MemoryStore({ maxBytes: 1e8 });
    const app = await startApp({ store, freshness: SELDOM });
    const { service } = app.router;
    const id = { ...repository.snapshot, depth: 1 };
    jest.spyOn(store, 'list').mockImplementation(() => {
      throw new SnapshotError('STORE_FAILED', 'no list');
    });
    const failures: SnapshotError[] = [];
    listen(service, 'evictionFailed', ({ error }) => failures.push(error));
    const ends = counter(service, 'build failed');
    await get(app, '?depth=1');
    expect(await service.statStored(id)).toBeDefined();
    await service.close({ drain: true });
    expect(failures).toMatchObject([{ code: 'STORE_FAILED', message: 'no list' }]);
    expect(ends()).toBe(0);
  });

  test('each repository may have maxVariants', async () => {
    const app = await sharedApp({ freshness: SELDOM, budgets: { maxVariants: 1 } });
    await get(app, '?depth=1');
    const other = `${repository.path}-other`;
    await cp(repository.bare, join(repository.root, `${other}.git`), { recursive: true });
    await get(app, '?depth=1', other);
    expect(await isStored(app, '?depth=1', other)).toBe(true);
    expect(await isStored(app, '?depth=1')).toBe(true);
  });

  describe.each<[string, (maxBytes: number) => Promise<FileSystemStore | MemoryStore>]>([
    ['memory', async (maxBytes) => new MemoryStore({ maxBytes })],
    ['files', async (maxBytes) => new FileSystemStore({ directory: await directory(), maxBytes })],
  ])('in a store of %s with a budget', (_, makeStore) => {
    test('none evicts a default snapshot', async () => {
      const plain = await get(await sharedApp({ freshness: SELDOM }));
      const store = await makeStore(plain.bytes.length + 1500);
      const app = await startApp({ store, freshness: SELDOM });
      await get(app);
      const variant = await get(app, '?ref=v1');
      expect(variant.commit).toBe(await commitOf('v1^{commit}'));
      expect(await storedOf(app, ['', '?ref=v1'])).toEqual(['']);
    });

    test('one is evicted for another one', async () => {
      const fresh = await sharedApp({ freshness: SELDOM });
      const sizes = [await get(fresh), await get(fresh, '?depth=1')].map((a) => a.bytes.length);
      const store = await makeStore(sizes.reduce((sum, size) => sum + size) + 2000);
      const app = await startApp({ store, freshness: SELDOM });
      const queries = ['', '?depth=1', '?ref=shortcut&depth=1'];
      for (const query of queries) {
        await get(app, query);
        await isStored(app, query); // so that they are stored in this order
        await laterOn();
      }
      expect(await storedOf(app, queries)).toEqual(['', '?ref=shortcut&depth=1']);
    });
  });
});

describe('After a push', () => {
  test('the snapshot of a moved ref is built again, and a shallow history of another ref stays as it is', async () => {
    const app = await sharedApp({ freshness: STRICT });
    const commit = await commitOf('main~1');
    const unmoved = ['?ref=topic/left&depth=1', '?ref=v2&depth=2', `?ref=${commit}&depth=1`];
    const moved = ['', '?ref=main', '?depth=1', '?ref=main&depth=2', '?ref=topic/left', '?ref=v1'];
    const before = new Map<string, Answer>();
    for (const query of [...unmoved, ...moved]) before.set(query, await get(app, query));
    const pushed = await push(repository.bare);
    const kept = async () => {
      for (const query of unmoved) {
        expect([query, await get(app, query)]).toEqual([query, before.get(query)]);
      }
    };
    expect(await buildsOf(app, kept)).toBe(0);
    for (const query of moved) {
      const { etag, commit: now } = await get(app, query);
      const isOfMain = !/left|v1/.test(query);
      expect([query, etag === before.get(query)?.etag]).toEqual([query, false]);
      if (isOfMain) expect(now).toBe(pushed);
    }
  });

  test('a commit with a depth is served without a check', async () => {
    const app = await sharedApp({ freshness: STRICT });
    const query = `?ref=${await commitOf('topic/left')}&depth=2`;
    const before = await get(app, query);
    await git(repository.bare, 'update-ref', '-d', 'refs/heads/topic/left');
    const asked = repository.upstream.requests.length;
    expect(await get(app, query)).toEqual(before);
    const ranged = await fetch(urlOf(app, query), { headers: { range: 'bytes=0-9' } });
    expect(ranged.status).toBe(206);
    await ranged.arrayBuffer();
    expect(repository.upstream.requests.length).toBe(asked);
  });

  test.each<[string, string, () => Promise<unknown>]>([
    ['a tag was made there', 'topic/left', () => git(repository.bare, 'tag', 'new', 'topic/left')],
    ['a tag moved away', 'main', () => git(repository.bare, 'tag', '-f', 'tip', 'v1')],
    ['it is the default branch', 'shortcut', () => head('shortcut')],
    ['it is the default branch no more', 'main', () => head('shortcut')],
    ['a tag has its name', 'at-root', () => git(repository.bare, 'tag', 'at-root', 'main')],
    ['it was a tag', 'light', () => git(repository.bare, 'branch', 'light', 'light')],
  ])('a shallow history is as git cuts it, if %s', async (_, ref, change) => {
    const app = await sharedApp({ freshness: STRICT });
    const query = `?ref=${ref}&depth=1`;
    await get(app, query);
    await change();
    const [snapshot, clone] = [await directory(), join(await directory(), 'clone')];
    await extract(urlOf(app, query), snapshot);
    await cloneWithGit(`${repository.url}.git`, clone, '--depth=1', `--branch=${ref}`);
    await expectSameCheckout(snapshot, clone, { originUrl: repository.url });
  });

  test('a ref that was deleted is not found', async () => {
    const app = await sharedApp({ freshness: STRICT });
    const queries = ['?ref=topic/left', '?ref=topic/left&depth=1'];
    for (const query of queries) await get(app, query);
    await git(repository.bare, 'update-ref', '-d', 'refs/heads/topic/left');
    for (const query of queries) {
      expect((await fetch(urlOf(app, query))).status).toBe(404);
    }
    expect(await storedOf(app, queries)).toEqual([]);
  });

  test('a stale snapshot of a ref is built again, or deleted if the ref was deleted', async () => {
    const app = await sharedApp({ freshness: { maxAge: 0, checkInterval: 0 } });
    const { service } = app.router;
    const query = '?ref=topic/left&depth=1';
    const before = await get(app, query);
    const pushed = await push(repository.bare, { branch: 'topic/left' });
    const id = { ...repository.snapshot, ref: 'topic/left', depth: 1 };
    const until = async (isSo: () => Promise<boolean>) => {
      while (!(await isSo())) await setImmediate();
    };
    expect(await get(app, query)).toEqual(before);
    await until(async () => (await service.statStored(id))?.commit === pushed);
    const rebuilt = await get(app, query);
    expect(rebuilt.commit).toBe(pushed);
    await git(repository.bare, 'update-ref', '-d', 'refs/heads/topic/left');
    expect(await get(app, query)).toEqual(rebuilt);
    await until(async () => (await service.statStored(id)) === undefined);
    expect((await fetch(urlOf(app, query))).status).toBe(404);
  });
});

/** Makes a branch the default one. */
async function head(branch: string): Promise<void> {
  await git(repository.bare, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
}
