import { readdir } from 'node:fs/promises';
import { FileSystemStore, MemoryStore, TieredStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { S3Store } from '../../lib/stores/s3/index.js';
import { setDate } from '../support/fake-date.js';
import { FakeS3 } from '../support/fake-s3.js';
import { read } from '../support/fresh-repository.js';
import type { HostApp, HostAppOptions } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { type Cleanup, cleanup } from '../support/temporary-directory.js';

const repository = ownRepository(buildSmall);
const { directory, defer } = repository;

const MINUTE = 60_000;
const FRESHNESS = { maxAge: 60 * MINUTE, checkInterval: 0 } as const;
const STRICT = { staleWhileRevalidate: 0, maxAge: 0 } as const;
/** Bytes of a part that a client asks for at a time. */
const PART = 500;

const STORES: Record<string, (resources: Cleanup) => Promise<SnapshotStore | undefined>> = {
  'the default store': async () => undefined,
  'a FileSystemStore without a budget': inFiles,
  'a MemoryStore': async () => new MemoryStore({ maxBytes: 1e8 }),
  'an S3Store': inBucket,
  'a TieredStore': async (resources) => {
    const [local, shared] = [await inFiles(resources), await inBucket(resources)];
    const store = new TieredStore({ local, shared });
    resources.defer(() => store.close());
    return store;
  },
};

async function inFiles(resources: Cleanup): Promise<FileSystemStore> {
  return new FileSystemStore({ directory: await resources.directory() });
}

async function inBucket(resources: Cleanup): Promise<S3Store> {
  return new S3Store({ bucket: 'bucket', config: (await FakeS3.start(resources.defer)).config });
}

/** Starts an app of the test's own. */
const start = (options: Partial<HostAppOptions>) =>
  repository.startApp({ freshness: FRESHNESS, ...options });

/** A snapshot of which a client has the beginning. */
async function begun(app: HostApp) {
  const { bytes, etag } = await read(app.router.service, repository.snapshot);
  const url = app.snapshotUrl(repository.path);
  const first = await fetch(url, { headers: { range: `bytes=0-${PART - 1}` } });
  expect([first.status, first.headers.get('etag')]).toEqual([206, etag]);
  await first.arrayBuffer();
  const part = (start: number, headers: Record<string, string> = { 'if-match': etag }) =>
    fetch(url, { headers: { range: `bytes=${start}-${start + PART - 1}`, ...headers } });
  return { url, bytes, etag, part };
}

/** Has something else stored. @returns its tag. */
async function pushed({ router }: HostApp): Promise<string> {
  const commit = await push(repository.bare);
  const stored = await router.service.refresh(repository.id);
  expect(stored.commit).toBe(commit);
  return stored.etag;
}

describe.each(Object.entries(STORES))('With %s, a client', (_name, make) => {
  const resources = cleanup(afterAll);
  let app: HostApp;

  beforeAll(async () => {
    const store = await make(resources);
    app = await repository.startSharedApp({ freshness: FRESHNESS, ...(store && { store }) });
    // Before its store is.
    resources.defer(() => app.close());
  });

  test('that reads a snapshot in parts gets all parts, even if refs are pushed meanwhile', async () => {
    const { bytes, etag, part } = await begun(app);
    const tags = [etag, await pushed(app), await pushed(app)];
    expect(new Set(tags).size).toBe(3);
    for (let at = PART; at < bytes.length; at += PART) {
      const pinned = (at / PART) % 2 === 0 ? { 'if-match': `"x", ${etag}` } : { 'if-range': etag };
      const response = await part(at, pinned);
      const end = Math.min(at + PART, bytes.length);
      expect([response.status, response.headers.get('etag')]).toEqual([206, etag]);
      expect(response.headers.get('content-range')).toBe(`bytes ${at}-${end - 1}/${bytes.length}`);
      const body = Buffer.from(await response.arrayBuffer());
      expect(body.equals(bytes.subarray(at, end))).toBe(true);
    }
    expect((await part(0, {})).headers.get('etag')).toBe(tags.at(-1));
  });

  test('gets nothing of a purged repository, with any tag', async () => {
    const { part } = await begun(app);
    await pushed(app);
    await app.router.service.purge(repository.id);
    expect((await part(PART)).status).toBe(412);
    await read(app.router.service, repository.snapshot);
    expect((await part(PART)).status).toBe(412);
  });
});

test('HEAD and a whole GET describe the revision that If-Match names, replaced or not', async () => {
  const app = await repository.sharedApp({ freshness: FRESHNESS });
  const { url, bytes, etag } = await begun(app);
  await pushed(app);
  const headers = { 'if-match': etag };
  for (const method of ['HEAD', 'GET']) {
    const response = await fetch(url, { method, headers });
    expect([response.status, response.headers.get('etag')]).toEqual([200, etag]);
    expect(response.headers.get('content-length')).toBe(String(bytes.length));
    const body = Buffer.from(await response.arrayBuffer());
    expect(body.equals(method === 'HEAD' ? Buffer.alloc(0) : bytes)).toBe(true);
  }
  expect((await fetch(url, { headers: { 'if-match': '"x"' } })).status).toBe(412);
});

test('A replaced revision can be read for keepReplacedFor, and then its file is removed', async () => {
  const path = await directory();
  const app = await start({ store: new FileSystemStore({ directory: path }) });
  const { part } = await begun(app);
  await pushed(app);
  setDate(defer, 9 * MINUTE);
  expect((await part(PART)).status).toBe(206);
  setDate(defer, 2 * MINUTE);
  expect((await part(PART)).status).toBe(412);
  expect(await replacedIn(path)).toBe(1);
  await pushed(app);
  expect(await replacedIn(path)).toBe(1); // of this push
});

test('Another process that shares the directory serves a replaced revision', async () => {
  const path = await directory();
  const [one, two] = [
    await start({ store: new FileSystemStore({ directory: path }) }),
    await start({ store: new FileSystemStore({ directory: path }) }),
  ];
  const { bytes, etag } = await begun(one);
  await pushed(one);
  const headers = { range: 'bytes=-10', 'if-match': etag };
  const response = await fetch(two.snapshotUrl(repository.path), { headers });
  expect(response.status).toBe(206);
  const body = Buffer.from(await response.arrayBuffer());
  expect(body.equals(bytes.subarray(-10))).toBe(true);
});

test('A store that fails to list replaced revisions still serves the stored one', async () => {
  const local = new MemoryStore({ maxBytes: 0 });
  const shared = new MemoryStore({ maxBytes: 1e8 });
  const app = await start({
    store: new TieredStore({ local, shared, localMaxAge: 0, onDegraded: () => {} }),
  });
  const { bytes, part } = await begun(app);
  const denied = new Error('403: access is denied');
  const replaced = jest.spyOn(shared, 'listReplaced').mockRejectedValue(denied);
  expect((await part(PART, { 'if-match': '"old"' })).status).toBe(412);
  expect(replaced).toHaveBeenCalledTimes(1);
  const response = await part(PART);
  expect(response.status).toBe(206);
  const body = Buffer.from(await response.arrayBuffer());
  expect(body.equals(bytes.subarray(PART, 2 * PART))).toBe(true);
  expect((await read(app.router.service, repository.snapshot)).source).toBe('store');
});

describe('With staleWhileRevalidate 0, ranges', () => {
  test('of the stored revision cause no check, and other ranges do', async () => {
    const app = await repository.sharedApp({ freshness: STRICT });
    const { etag, part } = await begun(app);
    const asked = repository.upstream.infoRefs(repository.path);
    const parts = await Promise.all([1, 2, 3].map((index) => part(index * PART)));
    expect(parts.map(({ status }) => status)).toEqual([206, 206, 206]);
    expect((await part(PART, { 'if-range': etag })).status).toBe(206);
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked);
    expect((await part(PART, {})).status).toBe(206);
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked + 1);
  });

  test('of a replaced revision cause no check', async () => {
    const app = await repository.sharedApp({ freshness: STRICT });
    const { part } = await begun(app);
    await pushed(app);
    const asked = repository.upstream.infoRefs(repository.path);
    await push(repository.bare);
    expect((await part(PART)).status).toBe(206);
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked);
  });
});

async function replacedIn(path: string): Promise<number> {
  const names = await readdir(path, { recursive: true });
  return names.filter((name) => name.endsWith('.replaced')).length;
}
