import { buffer } from 'node:stream/consumers';
import { MemoryStore, type SnapshotService } from '../../lib/index.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { seededBytes } from '../support/random.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { WatchedLocks } from '../support/watched-locks.js';

const { directory, defer } = cleanup(afterEach);

let repository: FreshRepository;
let locks: WatchedLocks;
let store: MemoryStore;
let service: SnapshotService;
let key: string;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  locks = new WatchedLocks();
  store = new MemoryStore({ maxBytes: 1e9 });
  service = repository.start({ locks, store });
  key = `snapshot/${repository.id.host}/${repository.path}`;
});

test('a lock that is lost before anything was shown is acquired again', async () => {
  const acquisitions = locks.acquisitions(key);
  const gate = repository.upstream.gate(repository.path);
  const reading = read(service, repository.id);
  await gate.reached;
  locks.lose(key);
  await locks.next('acquired', key);
  gate.release();
  // What is planned has not been shown yet.
  await next(service, 'generationStarted');
  locks.lose(key);
  const { source, commit, bytes } = await reading;
  expect([source, commit]).toEqual(['generation', await repository.head()]);
  expect(acquisitions()).toBe(3);
  expect((await read(service, repository.id)).bytes.equals(bytes)).toBe(true);
});

test('three times at most, and what failed is tried again when it is asked for', async () => {
  const acquisitions = locks.acquisitions(key);
  const lose = (acquired: string) => setImmediate(() => locks.lose(acquired));
  locks.events.on('acquired', lose);
  const gate = repository.upstream.gate(repository.path);
  await expect(read(service, repository.id)).rejects.toMatchObject({ code: 'LOCK_FAILED' });
  expect(acquisitions()).toBe(3);
  locks.events.off('acquired', lose);
  gate.release();
  expect((await read(service, repository.id)).source).toBe('generation');
  await service.close({ running: 'wait' });
  await expectNothingLeft(repository.dataDir, repository.upstream);
});

test('one that is lost later breaks the stream, and nothing is stored', async () => {
  // More than is shown at first.
  await push(repository.bare, { files: { 'noise.bin': seededBytes('noise', 3 << 20) } });
  const acquisitions = locks.acquisitions(key);
  const generations = counter(service, 'generationStarted');
  const failed = next(service, 'generationFailed');
  const { body, source } = await service.get(repository.id);
  expect(source).toBe('generation');
  locks.lose(key);
  await expect(buffer(body)).rejects.toMatchObject({ code: 'LOCK_FAILED' });
  expect(await failed).toMatchObject([{ error: { code: 'LOCK_FAILED' } }]);
  expect(await service.stat(repository.id)).toBeUndefined();
  expect([acquisitions(), generations()]).toEqual([1, 1]);
  expect((await read(service, repository.id)).commit).toBe(await repository.head());
  await service.close({ running: 'wait' });
  await expectNothingLeft(repository.dataDir, repository.upstream);
});
