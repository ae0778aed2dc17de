import { EventEmitter, once } from 'node:events';
import { SnapshotEmitter } from '../../lib/events/emitter.js';
import { MirrorDirectory } from '../../lib/mirror/disk/mirror-directory.js';
import type { MirrorRevision } from '../../lib/mirror/disk/revision.js';
import { KnownMirrors } from '../../lib/mirror/known-mirrors.js';

/** A directory whose removals take until they are released. */
class SlowDirectory extends MirrorDirectory {
  readonly removals = new EventEmitter();
  readonly waiting: (() => void)[] = [];

  override async remove(path: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
      this.removals.emit('begun', path);
    });
  }
}

test('Two runs of the budget at once evict no more mirrors than one would', async () => {
  const directory = new SlowDirectory('/nowhere', () => {});
  const mirrors = new KnownMirrors({
    directory,
    events: new SnapshotEmitter(),
    maxBytes: 4,
    onRelease: () => {},
  });
  for (const [usedAt, path] of ['a', 'b', 'c'].entries()) {
    const repository = { host: 'git.test', path };
    const mirror = mirrors.obtain(repository);
    const revision: MirrorRevision = {
      number: 1,
      repository,
      clone: '0123456789abcdef',
      packs: [],
      head: { kind: 'branch', ref: 'refs/heads/main', oid: undefined },
      digest: 'a'.repeat(64),
      pinned: { commits: [], packs: [] },
      garbageSince: undefined,
      prunings: 0,
      isConnected: true,
    };
    await mirror.ensureReady(async () => ({ revision, bytes: 4 }));
    mirror.usedAt = usedAt;
  }
  const first = once(directory.removals, 'begun');
  const runs = [mirrors.keepBudget(), mirrors.keepBudget()];
  await first;
  const release = () => {
    for (const resolve of directory.waiting.splice(0)) resolve();
  };
  directory.removals.on('begun', () => queueMicrotask(release));
  release();
  await Promise.all(runs);
  expect(mirrors.list().map(({ repository }) => repository.path)).toEqual(['c']);
});
