import type { FreshnessPolicy, ServiceConfig } from '../config/options.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import type { LockRegistry } from '../locks/registry.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import type { SnapshotStore } from '../stores/store.js';
import type { KnownUpstreams } from './known-upstreams.js';
import type { Refusals } from './refusals.js';
import type { StoredArtifacts } from './stored-artifacts.js';

/** The context that all parts of a service share. */
export interface ServiceContext {
  readonly config: ServiceConfig;
  readonly events: SnapshotEmitter;
  /** Resolves when the directories exist. */
  readonly started: () => Promise<void>;
  /** Aborts when nothing new may begin: then only stored artifacts and running builds are served. */
  readonly stopping: AbortSignal;
  /** Aborts when all running work must end. */
  readonly closing: AbortSignal;
}

/** The context, and the parts that almost all other parts use. */
export interface BaseParts extends ServiceContext {
  readonly policy: FreshnessPolicy;
  readonly store: SnapshotStore;
  readonly locks: LockRegistry;
  readonly stored: StoredArtifacts;
  readonly mirrors: MirrorManager;
  readonly refusals: Refusals;
  readonly known: KnownUpstreams;
}
