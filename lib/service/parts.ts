import { join } from 'node:path';
import { defaultSnapshot } from '../artifact/id.js';
import { parseArtifactKey } from '../artifact/key.js';
import { momentOf } from '../async/clock.js';
import { type DiskBudgets, diskBudgets } from '../config/disk-budgets.js';
import type { ServiceConfig } from '../config/options.js';
import { MachineLocks } from '../locks/machine.js';
import { MemoryLocks } from '../locks/memory.js';
import type { LockRegistry } from '../locks/registry.js';
import { withFallback } from '../locks/with-fallback.js';
import type { StoredSnapshots } from '../mirror/clone-mirror.js';
import type { Mirror } from '../mirror/mirror.js';
import { MirrorManager } from '../mirror/mirrors.js';
import type { RepositoryId } from '../repository.js';
import { FileSystemStore } from '../stores/filesystem/filesystem-store.js';
import type { SnapshotStore } from '../stores/store.js';
import { ArtifactWriter } from './artifact-writer.js';
import { Builds } from './builds.js';
import type { ServiceContext } from './context.js';
import { RefFinder } from './find-ref.js';
import { FleetChecks } from './fleet-checks.js';
import { Health } from './health.js';
import { KnownUpstreams } from './known-upstreams.js';
import { MirrorQueries } from './mirror-queries.js';
import { PendingLimits } from './pending-limits.js';
import { Refresher } from './refresher.js';
import { Refusals } from './refusals.js';
import { Removal } from './removal.js';
import { type RequestParts, Requests } from './requests.js';
import { type OnEvict, StoredArtifacts } from './stored-artifacts.js';
import { UpstreamChecks } from './upstream-checks.js';
import { WarmUp } from './warm-up.js';

/** The parts of a service. Each one is documented in its own file. */
export interface ServiceParts extends RequestParts {
  readonly requests: Requests;
  readonly queries: MirrorQueries;
  readonly removal: Removal;
  readonly warmUp: WarmUp;
  readonly health: Health;
  readonly diskBudgets: DiskBudgets;
}

/** Creates the parts of a service, each after the parts that it uses. */
export function createParts(context: ServiceContext): ServiceParts {
  const { config, events, closing } = context;
  const { freshness: policy } = config;
  const onEvict: OnEvict = (key, reason) => {
    const artifact = parseArtifactKey(key);
    if (artifact === undefined) return;
    events.emit('evicted', { repository: artifact.repository, artifact, reason });
  };
  const budgets = diskBudgets(config);
  const { maxMirrorBytes, maxStoreBytes, warning } = budgets;
  if (warning !== undefined) process.emitWarning(warning);
  const store = config.store ?? defaultStore(config, maxStoreBytes, onEvict);
  const locks = config.locks ?? defaultLocks(config);
  // If the app brings locks, other processes share its store.
  const fleet = config.locks && new FleetChecks(store, config.locks);
  const stored = new StoredArtifacts(config, store, onEvict);
  const base = { ...context, policy, store, locks, stored };

  // These callbacks use parts that are created below. Nothing calls them before.
  const snapshots: StoredSnapshots = {
    open: async (repository, signal) => {
      const id = defaultSnapshot(repository);
      const found = await stored.open(id, { signal });
      if (found === undefined) return undefined;
      const { body, revision } = found.artifact;
      const damaged = () => {
        stored.distrust(id, revision);
        refresher.rebuildForced(id);
      };
      return { body, damaged };
    },
  };
  const onPruned = (repository: RepositoryId) => refresher.rebuildPruned(repository);
  const onIncomplete = (repository: RepositoryId) => removal.deleteStored(repository);
  // A later check notices that a refusal lasts too long, even if no client requests the repository.
  const onRefused = (repository: RepositoryId) => {
    if (refusals.isToBeRemoved(repository)) removal.forget(repository);
    else refresher.checkAt(repository, refusals.forgottenAt(repository));
  };

  const onFound = ({ repository, usedAt }: Mirror) => {
    known.know(repository, momentOf(usedAt));
    refresher.refreshAtIntervals(repository);
  };

  const storedObjects = async () =>
    store instanceof FileSystemStore ? await store.listEvictable() : [];

  const callbacks = { onPruned, onIncomplete, onFound, storedObjects };
  const hooks = { closing, snapshots, maxBytes: maxMirrorBytes, ...callbacks };
  const mirrors = new MirrorManager(config, events, hooks);
  const refusals = new Refusals({ store, forgetAfter: policy.forgetAfter, onRefused });
  const known = new KnownUpstreams({ policy, mirrors, refusals });
  const upstreams = { ...base, mirrors, refusals, known };
  const checks = new UpstreamChecks({ ...upstreams, fleet });
  const pending = new PendingLimits(config.concurrency);
  const refFinder = new RefFinder(config, known, checks);
  const writer = new ArtifactWriter(config, store, events, mirrors.room);
  const work = { ...upstreams, checks, pending, refFinder, writer };
  const builds = new Builds(work);
  const refresher = new Refresher({ ...work, builds });
  const all = { ...work, builds, refresher };
  const requests = new Requests(all);
  const queries = new MirrorQueries(all);
  const removal = new Removal({ ...work, builds, isFleet: fleet !== undefined });
  const warmUp = new WarmUp(all);
  const health = new Health(all);
  return { ...all, requests, queries, removal, warmUp, health, diskBudgets: budgets };
}

/** Where the directory can't hold them, as on some network file systems, of this process only. */
function defaultLocks({ dataDir }: ServiceConfig): LockRegistry {
  const machine = new MachineLocks({ directory: join(dataDir, 'locks') });
  const close = () => machine.close();
  return Object.assign(withFallback(machine, new MemoryLocks()), { close });
}

function defaultStore(config: ServiceConfig, maxBytes: number, onEvict: OnEvict): SnapshotStore {
  const directory = join(config.dataDir, 'snapshots');
  return new FileSystemStore({
    directory,
    maxBytes,
    onEvict: (key) => onEvict(key, 'budget'),
  });
}
