import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { MemoryStore } from '../../lib/index.js';
import { holdCommits } from '../support/held-commits.js';
import { HOST, type HostApp, leftovers, startHostApp } from '../support/host-app.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const CLIENTS = 50;

let upstream: Upstream;
let app: HostApp;

beforeAll(async () => {
  const root = await shared.directory();
  await buildSmall(join(root, 'org/other.git'));
  await buildLarge(join(root, 'org/large.git'));
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

beforeEach(async () => {
  upstream.requests.length = 0;
  app = await startHostApp({ dataDir: await directory(), upstreamUrl: upstream.url });
  defer(() => app.close());
});

test('concurrent cold requests share one clone and one generation; a hit elsewhere answers', async () => {
  await digest(await request('org/other'));
  const generations = countGenerations();
  const gate = upstream.gate('org/large', 1000);
  const clients = Array.from({ length: CLIENTS }, () => request('org/large').then(digest));
  await gate.reached;
  const hit = await request('org/other');
  expect(hit.headers['content-length']).toBeDefined();
  await digest(hit);
  gate.release();
  const digests = await Promise.all(clients);
  expect(new Set(digests).size).toBe(1);
  expect(await digest(await request('org/large'))).toBe(digests[0]);
  expect(generations()).toBe(1);
  expect(upstream.infoRefs('org/large')).toBe(1);
  expect(upstream.uploadPacks('org/large')).toBe(1);
});

test('clients that hang up, the first one included, do not disturb the others', async () => {
  const gate = upstream.gate('org/large', 1000);
  const leader = get(app.snapshotUrl('org/large'));
  leader.on('error', () => {});
  await gate.reached;
  const others = Array.from({ length: CLIENTS - 1 }, () => request('org/large'));
  leader.destroy();
  gate.release();
  const responses = await Promise.all(others);
  const [second, ...rest] = responses;
  await once(second ?? leader, 'readable');
  second?.destroy();
  expect(new Set(await Promise.all(rest.map(digest))).size).toBe(1);
  expect(upstream.uploadPacks('org/large')).toBe(1);
});

test('a generation that nobody waits for any more is completed and stored', async () => {
  const gate = upstream.gate('org/large', 1000);
  const finished = once(app.router.service.events, 'generationFinished');
  const only = get(app.snapshotUrl('org/large'));
  only.on('error', () => {});
  await gate.reached;
  only.destroy();
  gate.release();
  await finished;
  const response = await request('org/large');
  await digest(response);
  expect(upstream.uploadPacks('org/large')).toBe(1);
});

test('a client that reads slowly slows nobody', async () => {
  const slow = await request('org/large');
  slow.pause(); // takes no more than its socket buffers hold
  const whole = await digest(await request('org/large'));
  expect(await digest(await request('org/large'))).toBe(whole);
  expect(await digest(slow)).toBe(whole);
});

test('readers of a spool outlive its move into the store, and its deletion there', async () => {
  const stored = once(app.router.service.events, 'generationFinished');
  const slow = await request('org/large');
  slow.pause();
  await stored;
  const whole = await digest(await request('org/large'));
  await app.router.service.delete({ host: HOST, path: 'org/large' });
  expect(await digest(slow)).toBe(whole);
  expect(await leftovers(app.dataDir)).toEqual([]);
});

test('a store that takes long for what is complete holds up nobody', async () => {
  const store = new MemoryStore({ maxBytes: 1e8 });
  const open = holdCommits(store);
  const behind = await startHostApp({
    dataDir: await directory(),
    upstreamUrl: upstream.url,
    store,
  });
  defer(() => behind.close());
  const first = await digest(await request('org/other', behind));
  const second = await request('org/other', behind);
  expect(second.headers['content-length']).toBeUndefined();
  expect(await digest(second)).toBe(first);
  const generations = upstream.uploadPacks('org/other');
  open();
  const head = await fetch(behind.snapshotUrl('org/other'), { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(upstream.uploadPacks('org/other')).toBe(generations);
});

test('as many clones as allowed run at once, and the others wait their turn', async () => {
  const limited = await startHostApp({
    dataDir: await directory(),
    upstreamUrl: upstream.url,
    limits: { concurrentClones: 1 },
  });
  defer(() => limited.close());
  const gate = upstream.gate('org/large', 1000);
  const large = request('org/large', limited).then(digest);
  await gate.reached;
  const small = request('org/other', limited).then(digest);
  await once(limited.router.service.events, 'miss');
  expect(upstream.infoRefs('org/other')).toBe(0);
  gate.release();
  await Promise.all([large, small]);
  expect(upstream.uploadPacks('org/other')).toBe(1);
});

test('a ready mirror generates while all clones are busy', async () => {
  const limited = await startHostApp({
    dataDir: await directory(),
    upstreamUrl: upstream.url,
    limits: { concurrentClones: 1 },
  });
  defer(() => limited.close());
  const before = await digest(await request('org/other', limited));
  await limited.router.service.delete({ host: HOST, path: 'org/other' });
  const gate = upstream.gate('org/large', 1000);
  const large = request('org/large', limited).then(digest);
  await gate.reached;
  expect(await digest(await request('org/other', limited))).toBe(before);
  gate.release();
  await large;
});

test('two routers in one process, on one directory, know nothing of each other', async () => {
  const other = await startHostApp({ dataDir: app.dataDir, upstreamUrl: upstream.url });
  defer(() => other.close());
  const [a, b] = await Promise.all([
    request('org/large').then(digest),
    request('org/large', other).then(digest),
  ]);
  expect(a).toBe(b);
  await other.close();
  expect(await digest(await request('org/large'))).toBe(a);
  expect(await leftovers(app.dataDir)).toEqual([]);
});

function countGenerations(): () => number {
  let count = 0;
  app.router.service.events.on('generationStarted', () => count++);
  return () => count;
}

async function request(path: string, from = app): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(from.snapshotUrl(path), { agent: false }, resolve).on('error', reject);
  });
  expect(response.statusCode).toBe(200);
  return response;
}

async function digest(body: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of body) hash.update(chunk);
  expect(body.complete).toBe(true);
  return hash.digest('hex');
}

/** Larger than what sockets and pipes buffer, so that a client that does not read is left behind. */
async function buildLarge(path: string): Promise<void> {
  const builder = await RepositoryBuilder.create(path);
  builder.commit({ files: { 'noise.bin': seededBytes('large', 12 * 1024 * 1024) } });
  await builder.finish();
}
