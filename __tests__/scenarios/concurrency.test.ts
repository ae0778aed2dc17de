/**
 * @one-node-version
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { MemoryStore } from '../../lib/index.js';
import { counter } from '../support/fresh-repository.js';
import { holdWrites } from '../support/held-writes.js';
import { HOST, type HostApp, leftovers, startHostApp } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { nextEvent } from '../support/service-events.js';

const CLIENTS = 50;
const OTHER = 'org/other';
/** Larger than what sockets and pipes buffer, so that a client that does not read is left behind. */
const LARGE = 'org/large';

const repository = ownRepository((bare) => buildNoise(bare, 1));
const at = (path: string) => ({ host: HOST, path });

let app: HostApp;

beforeAll(async () => {
  await buildNoise(join(repository.root, `${OTHER}.git`), 0.1);
  await buildNoise(join(repository.root, `${LARGE}.git`), 12);
});

beforeEach(async () => {
  repository.upstream.requests.length = 0;
  app = await repository.sharedApp();
});

test('Concurrent cold requests share one clone and one build, while a hit elsewhere is answered', async () => {
  const { upstream, path } = repository;
  await stored(OTHER);
  const builds = counter(app.router.service, 'build started');
  const gate = upstream.gate(path, 1000);
  const clients = Array.from({ length: CLIENTS }, () => request(path).then(digest));
  await gate.reached;
  const hit = await request(OTHER);
  expect(hit.headers['content-length']).toBeDefined();
  await digest(hit);
  gate.release();
  const digests = await Promise.all(clients);
  expect(new Set(digests).size).toBe(1);
  expect(await digest(await request(path))).toBe(digests[0]);
  expect(builds()).toBe(1);
  expect(upstream.infoRefs(path)).toBe(1);
  expect(upstream.uploadPacks(path)).toBe(1);
});

test('A client that leaves does not disturb the others, even if it was the first', async () => {
  const { upstream, path } = repository;
  const gate = upstream.gate(path, 1000);
  const leader = get(app.snapshotUrl(path));
  leader.on('error', () => {});
  await gate.reached;
  const others = Array.from({ length: CLIENTS - 1 }, () => request(path));
  leader.destroy();
  gate.release();
  const responses = await Promise.all(others);
  const [second, ...rest] = responses;
  await once(second ?? leader, 'readable');
  second?.destroy();
  expect(new Set(await Promise.all(rest.map(digest))).size).toBe(1);
  expect(upstream.uploadPacks(path)).toBe(1);
});

test('A snapshot whose clients have all left is completed and stored', async () => {
  const { upstream, path } = repository;
  const gate = upstream.gate(path, 1000);
  const finished = nextEvent(app.router.service, 'build done');
  const only = get(app.snapshotUrl(path));
  only.on('error', () => {});
  await gate.reached;
  only.destroy();
  gate.release();
  await finished;
  await digest(await request(path));
  expect(upstream.uploadPacks(path)).toBe(1);
});

test('A client that reads slowly delays no other client', async () => {
  const slow = await request(LARGE);
  slow.pause(); // receives no more than its socket buffers hold
  const whole = await digest(await request(LARGE));
  expect(await digest(await request(LARGE))).toBe(whole);
  expect(await digest(slow)).toBe(whole);
});

test('A client gets the whole body even if it is stored and deleted while the client reads', async () => {
  const own = await repository.startApp();
  const { service } = own.router;
  const slow = await request(LARGE, own);
  slow.pause();
  await service.refresh(at(LARGE));
  const whole = await digest(await request(LARGE, own));
  await service.delete(defaultSnapshot(at(LARGE)));
  expect(await digest(slow)).toBe(whole);
  await own.router.close({ drain: true });
  expect(await leftovers(own.dataDir)).toEqual([]);
});

test('A store that is slow to commit delays no client', async () => {
  const { upstream } = repository;
  const store = new MemoryStore({ maxBytes: 1e8 });
  const open = holdWrites(store);
  const behind = await repository.startApp({ store });
  const first = await digest(await request(OTHER, behind));
  const second = await request(OTHER, behind);
  expect(second.headers['content-length']).toBeUndefined();
  expect(await digest(second)).toBe(first);
  const builds = upstream.uploadPacks(OTHER);
  open();
  const head = await fetch(behind.snapshotUrl(OTHER), { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(upstream.uploadPacks(OTHER)).toBe(builds);
});

test('clonesPerHost clones run at once, and the others are queued', async () => {
  const { upstream, path } = repository;
  const limited = await repository.startApp({ concurrency: { clonesPerHost: 1 } });
  const unlimited = await repository.startApp();
  const gate = upstream.gate(path, 1000);
  const first = request(path, limited).then(digest);
  await gate.reached;
  const missed = nextEvent(limited.router.service, 'miss');
  const second = request(OTHER, limited).then(digest);
  await missed;
  // A later request for a stored snapshot is served meanwhile.
  await digest(await request(OTHER, unlimited));
  expect(upstream.infoRefs(OTHER)).toBe(1);
  gate.release();
  await Promise.all([first, second]);
  expect(upstream.uploadPacks(OTHER)).toBe(2);
});

test('A snapshot is built from a ready mirror while all slots for clones are taken', async () => {
  const { upstream, path } = repository;
  const limited = await repository.startApp({ concurrency: { clonesPerHost: 1 } });
  const { service } = limited.router;
  const before = await digest(await request(OTHER, limited));
  await service.refresh(at(OTHER));
  await service.delete(defaultSnapshot(at(OTHER)));
  const gate = upstream.gate(path, 1000);
  const first = request(path, limited).then(digest);
  await gate.reached;
  expect(await digest(await request(OTHER, limited))).toBe(before);
  gate.release();
  await first;
});

test('Two routers in one process and on one directory work independently', async () => {
  const { path, startApp } = repository;
  const one = await startApp();
  const other = await startHostApp({
    dataDir: one.dataDir,
    upstreamUrl: repository.upstream.url,
  });
  repository.defer(() => other.close());
  const [a, b] = await Promise.all([
    request(path, one).then(digest),
    request(path, other).then(digest),
  ]);
  expect(a).toBe(b);
  await other.close();
  expect(await digest(await request(path, one))).toBe(a);
  await one.router.close({ drain: true });
  expect(await leftovers(one.dataDir)).toEqual([]);
});

/** Stores a snapshot in the shared app. */
async function stored(path: string): Promise<void> {
  await digest(await request(path));
  await app.router.service.refresh(at(path));
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

async function buildNoise(path: string, mebibytes: number): Promise<void> {
  const builder = await RepositoryBuilder.create(path);
  builder.commit({ files: { 'noise.bin': seededBytes('noise', mebibytes * 1024 * 1024) } });
  await builder.finish();
}
