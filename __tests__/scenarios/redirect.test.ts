import { artifactKey } from '../../lib/artifact/key.js';
import { MemoryStore } from '../../lib/index.js';
import type { DownloadUrlOptions, OpenedObject } from '../../lib/stores/index.js';
import { holdWrites } from '../support/held-writes.js';
import type { HostApp } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';

/*
 * Stores from which clients download themselves.
 */

/** Has a URL for what is stored, unless it is told otherwise. */
class LinkingStore extends MemoryStore {
  readonly asked: (DownloadUrlOptions & { key: string })[] = [];
  hasUrls = true;

  async getDownloadUrl(key: string, options: DownloadUrlOptions): Promise<string | undefined> {
    this.asked.push({ key, ...options });
    return this.hasUrls ? `https://bucket.test/${key}?signature=x` : undefined;
  }
}

const repository = ownRepository(buildSmall);
let store: LinkingStore;
let shared: HostApp;
/** Requests the snapshot of a test. */
let app: HostApp;

beforeAll(async () => {
  store = new LinkingStore({ maxBytes: 1e9 });
  shared = await repository.startSharedApp({ store });
});

beforeEach(async () => {
  app = shared;
  store.hasUrls = true;
  await (await get()).arrayBuffer();
  await app.router.service.refresh(repository.id);
  store.asked.length = 0;
});

const get = (headers: Record<string, string> = {}, query = '') =>
  fetch(`${app.snapshotUrl(repository.path)}${query}`, { headers, redirect: 'manual' });

async function stored(): Promise<OpenedObject> {
  const opened = await store.open(artifactKey(repository.snapshot));
  if (opened === undefined) throw new Error('nothing is stored');
  opened.body.destroy();
  return opened;
}

test('A snapshot that is not stored yet is sent by the app', async () => {
  const { put } = store;
  repository.defer(() => {
    store.put = put;
  });
  const open = holdWrites(store);
  const first = await get({}, '?depth=1');
  const bytes = Buffer.from(await first.arrayBuffer());
  const second = await get({}, '?depth=1');
  expect(second.status).toBe(200);
  expect(Buffer.from(await second.arrayBuffer()).equals(bytes)).toBe(true);
  expect((await get({ range: 'bytes=0-9' }, '?depth=1')).status).toBe(200);
  open();
  const head = await fetch(`${app.snapshotUrl(repository.path)}?depth=1`, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect((await get({}, '?depth=1')).status).toBe(307);
});

test('A stored snapshot is downloaded from the URL that the store gives', async () => {
  const hits: unknown[] = [];
  const { events } = app.router.service;
  const onHit = (hit: unknown) => hits.push(hit);
  events.on('hit', onHit);
  repository.defer(() => events.off('hit', onHit));
  const response = await get();
  expect(response.status).toBe(307);
  expect(await response.text()).toBe('');
  const { revision, size } = await stored();
  const key = artifactKey(repository.snapshot);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    location: `https://bucket.test/${key}?signature=x`,
    'cache-control': 'no-store',
    'x-cachew-snapshot-commit': await repository.head(),
  });
  expect(store.asked).toMatchObject([
    {
      key,
      revision,
      contentType: 'application/zstd',
      contentDisposition: `attachment; filename="${repository.path.split('/').at(-1)}.tar.zst"`,
    },
  ]);
  expect(hits).toMatchObject([{ repository: repository.id, size }]);
});

test('A snapshot that is not stored is built and sent by the app', async () => {
  const response = await get({}, '?depth=1');
  expect(response.status).toBe(200);
  await response.arrayBuffer();
});

test('A snapshot without a URL is sent by the app', async () => {
  store.hasUrls = false;
  const response = await get();
  expect(response.status).toBe(200);
  expect((await response.arrayBuffer()).byteLength).toBe((await stored()).size);
});

test('HEAD, failed conditions and ranges are answered by the app', async () => {
  const { size } = await stored();
  const url = app.snapshotUrl(repository.path);
  const head = await fetch(url, { method: 'HEAD', redirect: 'manual' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(size)]);
  const etag = head.headers.get('etag') ?? '';
  expect((await get({ 'If-None-Match': etag })).status).toBe(304);
  expect((await get({ 'If-Match': '"other"' })).status).toBe(412);
  expect((await get({ Range: `bytes=${size}-` })).status).toBe(416);
  const part = await get({ Range: 'bytes=1-3', 'If-Match': etag });
  expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 3]);
  expect(store.asked).toEqual([]);
  expect((await get({ 'If-Match': etag })).status).toBe(307);
});

test('A stale snapshot is built again and sent by the app', async () => {
  const commit = await push(repository.bare);
  app = await repository.startApp({ store, freshness: { staleWhileRevalidate: 0, maxAge: 0 } });
  const response = await get();
  expect(response.status).toBe(200);
  expect(response.headers.get('x-cachew-snapshot-commit')).toBe(commit);
  await response.arrayBuffer();
});
