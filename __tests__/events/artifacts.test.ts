import {
  type EvictedEvent,
  type HitEvent,
  MemoryStore,
  type MissEvent,
  type SnapshotService,
} from '../../lib/index.js';
import type { OpenedObject, StoredObject } from '../../lib/stores/index.js';
import {
  type FreshRepository,
  freshRepository,
  next,
  read,
  readAtOnce,
} from '../support/fresh-repository.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const HOUR = 3_600_000;

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

function answersOf({ events }: SnapshotService): (HitEvent | MissEvent)[] {
  const answers: (HitEvent | MissEvent)[] = [];
  events.on('hit', (hit) => answers.push(hit));
  events.on('miss', (miss) => answers.push(miss));
  return answers;
}

function evictionsOf({ events }: SnapshotService): EvictedEvent[] {
  const evictions: EvictedEvent[] = [];
  events.on('evicted', (eviction) => evictions.push(eviction));
  return evictions;
}

test('A miss tells its artifact, and whether a build was already running; a hit tells its age', async () => {
  const service = repository.start({ freshness: { maxAge: HOUR } });
  const answers = answersOf(service);
  const artifact = { ...repository.snapshot, depth: 1 };
  const about = { repository: repository.id, artifact };
  const [{ etag, bytes }] = await Promise.all([
    readAtOnce(service, artifact),
    read(service, artifact),
  ]);
  await read(service, artifact);
  expect(answers).toEqual([
    { ...about, reason: 'absent', coalesced: false },
    { ...about, reason: 'absent', coalesced: true },
    { ...about, etag, size: bytes.length, ageMs: expect.any(Number), stale: false },
  ]);
});

test('A stored artifact that may not be served is a miss, because it is stale', async () => {
  const service = repository.start({ freshness: { staleWhileRevalidate: 0, maxAge: 0 } });
  await read(service, repository.snapshot);
  await push(repository.bare);
  const answers = answersOf(service);
  await read(service, repository.snapshot);
  expect(answers).toMatchObject([{ reason: 'stale', coalesced: false }]);
});

test('A hit tells that a build would give another artifact', async () => {
  const service = repository.start({
    freshness: { maxAge: 0, checkInterval: 0, minRebuildInterval: HOUR },
  });
  await read(service, repository.snapshot);
  await push(repository.bare);
  const answers = answersOf(service);
  const fetched = next(service, 'fetch done');
  await read(service, repository.snapshot);
  expect(await fetched).toMatchObject({ changed: true });
  await read(service, repository.snapshot);
  expect(answers).toMatchObject([{ stale: false }, { stale: true }]);
});

/** Stores each snapshot as if it was built from a check an hour before it was stored, two hours ago. */
class LateStore extends MemoryStore {
  override async stat(key: string): Promise<StoredObject | undefined> {
    const object = await super.stat(key);
    return object && late(object);
  }

  override async open(key: string): Promise<OpenedObject | undefined> {
    const object = await super.open(key);
    return object && late(object);
  }

  async getDownloadUrl(key: string): Promise<string> {
    return `https://bucket.test/${key}`;
  }
}

function late<T extends StoredObject>(object: T): T {
  const storedAt = object.storedAt - 2 * HOUR;
  const metadata = { ...object.metadata, knownAt: String(storedAt - HOUR) };
  return { ...object, storedAt, metadata };
}

test('The age of a hit counts from when the artifact was last known to be current', async () => {
  const store = new LateStore({ maxBytes: 1e9 });
  const first = repository.start({ store });
  await read(first, repository.snapshot);
  await first.close();
  const dataDir = await directory();
  const service = repository.start({ store, dataDir, freshness: { maxAge: 10 * HOUR } });
  const answers = answersOf(service);
  await read(service, repository.snapshot);
  await service.refresh(repository.id);
  await read(service, repository.snapshot);
  const [before, after] = answers.map((answer) => ('ageMs' in answer ? answer.ageMs / HOUR : NaN));
  expect(before).toBeGreaterThanOrEqual(3);
  expect(before).toBeLessThan(4);
  expect(after).toBeGreaterThanOrEqual(0);
  expect(after).toBeLessThan(1);
});

test('Each redirect to a stored artifact is a hit, even if another process has described it', async () => {
  const store = new LateStore({ maxBytes: 1e9 });
  const service = repository.start({ store, freshness: { maxAge: 10 * HOUR } });
  const { etag, bytes } = await read(service, repository.snapshot);
  const stored = await service.statStored(repository.snapshot);
  if (stored === undefined) throw new Error('nothing is stored');
  const answers = answersOf(service);
  const headers = { contentType: 'application/zstd', contentDisposition: 'attachment' };
  for (const each of [stored, JSON.parse(JSON.stringify(stored))]) {
    expect(await service.getDownloadUrl(repository.snapshot, each, headers)).toMatch(/^https:/);
  }
  const hit = { artifact: repository.snapshot, etag, size: bytes.length, stale: false };
  expect(answers).toMatchObject([hit, hit]);
});

test('An eviction tells the artifact and the reason, and never a key', async () => {
  const service = repository.start({ budgets: { maxVariants: 1 } });
  const evictions = evictionsOf(service);
  const { id, snapshot } = repository;
  const [one, two] = [1, 2].map((depth) => ({ ...snapshot, depth }));
  for (const each of [snapshot, one ?? snapshot, two ?? snapshot]) await read(service, each);
  await service.delete(snapshot);
  const evicted = next(service, 'mirrorEvicted');
  await service.purge(id);
  expect(await evicted).toMatchObject({ repository: id, reason: 'removed' });
  expect(evictions).toEqual([
    { repository: id, artifact: one, reason: 'variants' },
    { repository: id, artifact: snapshot, reason: 'deleted' },
    { repository: id, artifact: two, reason: 'removed' },
  ]);
});

test('What the default store evicts for its budget is told', async () => {
  const first = repository.start();
  const { bytes } = await read(first, repository.snapshot);
  await first.close({ drain: true });
  const service = repository.start({ budgets: { maxStoreBytes: bytes.length + 3000 } });
  const evictions = evictionsOf(service);
  const evicted = next(service, 'evicted');
  const other = { host: repository.id.host, path: 'org/other' };
  await repository.add(other.path);
  await read(service, { kind: 'snapshot', repository: other });
  await evicted;
  const { id, snapshot } = repository;
  expect(evictions).toEqual([{ repository: id, artifact: snapshot, reason: 'budget' }]);
});
