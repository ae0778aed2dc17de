import { MemoryStore, type OpenedObject } from '../../lib/index.js';
import type { UrlOptions } from '../../lib/stores/store.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import { holdCommits } from '../support/held-commits.js';
import { type HostApp, startHostApp } from '../support/host-app.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Stores from which clients download themselves.
 */

const { directory, defer } = cleanup(afterEach);

/** Has a URL for what is stored, unless it is told otherwise. */
class LinkingStore extends MemoryStore {
  readonly asked: (UrlOptions & { key: string })[] = [];
  hasUrls = true;

  async urlOf(key: string, options: UrlOptions): Promise<string | undefined> {
    this.asked.push({ key, ...options });
    return this.hasUrls ? `https://bucket.test/${key}?signature=x` : undefined;
  }
}

let repository: FreshRepository;
let store: LinkingStore;
let app: HostApp;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  store = new LinkingStore({ maxBytes: 1e9 });
  const upstreamUrl = repository.upstream.url;
  app = await startHostApp({ dataDir: await directory(), upstreamUrl, store });
  defer(() => app.close());
  await (await get()).arrayBuffer();
  await app.router.service.refresh(repository.id);
});

const get = (headers: Record<string, string> = {}, query = '') =>
  fetch(`${app.snapshotUrl(repository.path)}${query}`, { headers, redirect: 'manual' });

async function stored(): Promise<OpenedObject> {
  const opened = await store.open(`snapshot/git.test/${repository.path}`);
  if (opened === undefined) throw new Error('nothing is stored');
  opened.body.destroy();
  return opened;
}

test('what takes the store long to take is sent by the app', async () => {
  const open = holdCommits(store);
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

test('what is stored is downloaded from there', async () => {
  const hits: unknown[] = [];
  app.router.service.events.on('hit', (hit) => hits.push(hit));
  const response = await get();
  expect(response.status).toBe(307);
  expect(await response.text()).toBe('');
  const { revision, size } = await stored();
  const key = `snapshot/git.test/${repository.path}`;
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
      contentDisposition: 'attachment; filename="repo.tar.zst"',
    },
  ]);
  expect(hits).toMatchObject([{ repository: repository.id, size }]);
});

test('what is not stored is generated and sent', async () => {
  const response = await get({}, '?depth=1');
  expect(response.status).toBe(200);
  await response.arrayBuffer();
});

test('what has no URL is sent', async () => {
  store.hasUrls = false;
  const response = await get();
  expect(response.status).toBe(200);
  expect((await response.arrayBuffer()).byteLength).toBe((await stored()).size);
});

test('HEAD, conditions that fail and ranges are answered here', async () => {
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

test('what is outdated is renewed meanwhile, as ever', async () => {
  const commit = await push(repository.bare);
  await app.close();
  const upstreamUrl = repository.upstream.url;
  const freshness = { mode: 'strict', maxAge: 0 } as const;
  app = await startHostApp({ dataDir: await directory(), upstreamUrl, store, freshness });
  const response = await get();
  expect(response.status).toBe(200);
  expect(response.headers.get('x-cachew-snapshot-commit')).toBe(commit);
  await response.arrayBuffer();
});
