import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { artifactKey } from '../../lib/artifact/key.js';
import { restoreSnapshot } from '../../lib/client/index.js';
import {
  FileSystemStore,
  MemoryStore,
  type SnapshotService,
  TieredStore,
} from '../../lib/index.js';
import type { LockRegistry } from '../../lib/locks/index.js';
import type { PutOptions } from '../../lib/stores/index.js';
import { rounds, seedOf } from '../support/effort.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  read,
  readAtOnce,
} from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { Hold } from '../support/hold.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { git } from '../support/run.js';
import { type EventName, listenOnce } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { WatchedLocks } from '../support/watched-locks.js';

const { directory, defer } = cleanup(afterEach);

let repository: FreshRepository;
let locks: WatchedLocks;
let store: MemoryStore;
let key: string;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  locks = new WatchedLocks();
  store = new MemoryStore({ maxBytes: 1e9 });
  key = artifactKey(repository.snapshot);
});

async function start(replicaLocks: LockRegistry = locks): Promise<SnapshotService> {
  return repository.start({ locks: replicaLocks, store, dataDir: await directory() });
}

describe('A lease that is lost', () => {
  test('during the clone does not end it, and the snapshot is stored', async () => {
    const service = await start();
    const acquisitions = locks.acquisitions(key);
    const failures = counter(service, 'build failed');
    const gate = repository.upstream.gate(repository.path);
    const reading = read(service, repository.snapshot);
    await gate.reached;
    await locks.lose(key);
    gate.release();
    const { source, commit } = await reading;
    expect([source, commit]).toEqual(['build', await repository.head()]);
    expect((await service.statStored(repository.snapshot))?.commit).toBe(commit);
    expect([acquisitions(), failures()]).toEqual([1, 0]);
  });

  test('while clients read does not end their streams, and the snapshot is stored', async () => {
    // More than the first write sends.
    await push(repository.bare, { files: { 'noise.bin': seededBytes('noise', 3 << 20) } });
    const service = await start();
    const { body, source } = await service.get(repository.snapshot);
    expect(source).toBe('build');
    await locks.lose(key);
    const bytes = await buffer(body);
    const stored = await read(service, repository.snapshot);
    expect([stored.source, stored.bytes.equals(bytes)]).toEqual(['store', true]);
    await service.close({ drain: true });
  });

  test('lets another replica do the same work meanwhile, and both serve the same snapshot', async () => {
    const [one, two] = [await start(), await start()];
    const gate = repository.upstream.gate(repository.path);
    const first = read(one, repository.snapshot);
    await gate.reached;
    const acquired = locks.next('acquired', key);
    const second = read(two, repository.snapshot);
    await locks.lose(key);
    await acquired;
    gate.release();
    const [a, b] = await Promise.all([first, second]);
    expect(a.bytes.equals(b.bytes)).toBe(true);
    await Promise.all([one, two].map((service) => service.close({ drain: true })));
    await expectNothingLeft(repository.dataDir, repository.upstream);
  });

  test.each(['plain', 'before a plain one'])(
    'during a write to a store that is %s does not let an older snapshot replace a newer one',
    async (which) => {
      const plain = new PlainStore({ maxBytes: 1e9 });
      const make = async () => {
        const local = new FileSystemStore({ directory: await directory() });
        return which === 'plain' ? plain : new TieredStore({ local, shared: plain });
      };
      const slow = repository.start({ locks, store: await make() });
      plain.hold.isOn = true;
      const old = readAtOnce(slow, repository.snapshot);
      await plain.hold.reached;
      const commit = await push(repository.bare);
      const fast = repository.start({ locks, store: await make(), dataDir: await directory() });
      await locks.lose(key);
      expect((await fast.refresh(repository.id)).commit).toBe(commit);
      plain.hold.release();
      await old;
      await slow.close({ drain: true });
      expect((await fast.statStored(repository.snapshot))?.commit).toBe(commit);
    },
  );

  test('does not let an older snapshot replace a newer one, in a store without conditional writes', async () => {
    const shared = new HeldStore({ directory: await directory() });
    const slow = repository.start({ locks, store: shared });
    // After the last byte is sent, and before the snapshot is stored.
    listenOnce(slow, 'build done', () => {
      shared.hold.isOn = true;
    });
    const old = read(slow, repository.snapshot);
    await shared.hold.reached;
    const commit = await push(repository.bare);
    const other = new FileSystemStore({ directory: shared.directory });
    const fast = repository.start({ locks, store: other, dataDir: await directory() });
    await locks.lose(key);
    expect((await fast.refresh(repository.id)).commit).toBe(commit);
    shared.hold.release();
    await old;
    await slow.close({ drain: true });
    expect((await fast.statStored(repository.snapshot))?.commit).toBe(commit);
  });
});

/** When a lease is lost: as soon as it was taken, or at one of these events. */
const MOMENTS = [
  'at once',
  'clone started',
  'clone done',
  'build started',
  'build done',
] as const satisfies readonly (EventName | 'at once')[];

test('200 clients get their snapshots while every second lease is lost', async () => {
  const random = new SeededRandom(seedOf('lost leases'));
  const paths = Array.from({ length: rounds(10, 40) }, (_, i) => `org/repo-${i}`);
  for (const [i, path] of paths.entries()) {
    await push(await repository.add(path), { files: { 'n.txt': `${i}\n` } });
  }
  const apps = await Promise.all(
    [1, 2, 3].map(async () => repository.startApp({ locks, store, dataDir: await directory() })),
  );
  let [acquired, lost] = [0, 0];
  locks.events.on('acquired', (held) => {
    if (acquired++ % 2 === 0) return;
    const lose = () => void locks.lose(held).then((isLost) => isLost && lost++);
    const moment = random.pick(MOMENTS);
    if (moment === 'at once') lose();
    else for (const { router } of apps) listenOnce(router.service, moment, lose);
  });
  const digests = new Map(paths.map((path) => [path, new Set<string>()]));
  const clients = Array.from({ length: 20 * paths.length }, async (_, i) => {
    const path = paths[i % paths.length] ?? '';
    const response = await fetch(random.pick(apps).snapshotUrl(path));
    const hash = createHash('sha256').update(Buffer.from(await response.arrayBuffer()));
    digests.get(path)?.add(hash.digest('hex'));
    return response.status;
  });
  expect(new Set(await Promise.all(clients))).toEqual(new Set([200]));
  expect(lost).toBeGreaterThan(0);
  for (const [path, bodies] of digests) {
    expect([path, bodies.size]).toEqual([path, 1]);
    const target = join(await directory(), 'restored');
    await restoreSnapshot({ url: random.pick(apps).snapshotUrl(path), directory: target });
    expect(await fsck(target)).toEqual([]);
    expect(await git(target, 'rev-parse', 'HEAD')).toBe(
      await git(join(repository.root, `${path}.git`), 'rev-parse', 'HEAD'),
    );
  }
});

/** A store without conditional writes, of which one write can be made to wait before its first byte. */
class PlainStore extends MemoryStore {
  override readonly writesConditionally = false;
  readonly hold = new Hold();

  override async put(about: string, body: AsyncIterable<Uint8Array>, options: PutOptions = {}) {
    const isHeld = this.hold.isOn && about === key;
    if (isHeld) this.hold.isOn = false;
    const held = async function* (hold: Hold) {
      if (isHeld) await hold.wait();
      yield* body;
    };
    return await super.put(about, held(this.hold), { ...options, ifRevision: undefined });
  }
}

/** A store without conditional writes that can be made to wait before it says what it has. */
class HeldStore extends FileSystemStore {
  readonly directory: string;
  readonly hold = new Hold();

  constructor(options: { directory: string }) {
    super(options);
    this.directory = options.directory;
  }

  override async stat(...about: Parameters<FileSystemStore['stat']>) {
    if (this.hold.isOn) await this.hold.wait();
    return await super.stat(...about);
  }
}
