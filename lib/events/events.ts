import type { ArtifactId } from '../artifact/id.js';
import type { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { JobEndedEvent, JobProgressEvent, JobStartedEvent } from './job-events.js';
import type { WarmSummary } from './warm-events.js';

/** The events of a service: the name of each, and what its listeners get. */
export interface SnapshotEvents {
  /**
   * A stored artifact was opened, or a client got its URL. `statStored` alone is no hit: so the router
   * answers HEAD, 304, 412 and 416 without an event.
   */
  hit: HitEvent;
  /**
   * No artifact was stored that may be served. A `hit` may follow for the same request: the build
   * finds the stored artifact to be current, or fails because of the upstream.
   */
  miss: MissEvent;
  /** A job has left the queue. Each started job ends once. */
  jobStarted: JobStartedEvent;
  jobProgress: JobProgressEvent;
  /** A job has succeeded or failed, or was aborted. */
  jobEnded: JobEndedEvent;
  /** The stored snapshot could not be read, or was incomplete: the clone fetches everything. */
  mirrorSeedFailed: MirrorSeedFailedEvent;
  /** A mirror was removed, to stay within the budget or on request. */
  mirrorEvicted: MirrorEvictedEvent;
  /** A damaged or incomplete mirror was discarded; it will be cloned again. */
  mirrorCorrupted: MirrorCorruptedEvent;
  /** A stored artifact was deleted, or evicted by the default store to stay within its budget. */
  evicted: EvictedEvent;
  /** The store did not list or delete artifacts that were to be evicted. */
  evictionFailed: EvictionFailedEvent;
  /** The upstream has refused a repository for over `forgetAfter`: the service deletes it. */
  repositoryForgotten: RepositoryForgottenEvent;
  /** The warm-up of the option `warm` has ended. */
  warmed: WarmSummary;
}

interface About {
  readonly repository: RepositoryId;
}

interface AboutArtifact extends About {
  readonly artifact: ArtifactId;
}

/** A request got a stored artifact. */
export interface HitEvent extends AboutArtifact {
  readonly etag: string;
  /** Bytes of the whole artifact, also for a range. */
  readonly size: number;
  /** Milliseconds since the artifact was last known to be current. */
  readonly ageMs: number;
  /** Whether a build would give another artifact, as far as is known. */
  readonly stale: boolean;
}

/** A request needs a build. */
export interface MissEvent extends AboutArtifact {
  /** `stale`: an artifact is stored, but it may not be served. */
  readonly reason: 'absent' | 'stale';
  /** Whether the request waits for a build that was already running. */
  readonly coalesced: boolean;
}

/** A mirror could not be made from the stored snapshot. */
export interface MirrorSeedFailedEvent extends About {
  readonly error: SnapshotError;
}

/** A mirror was removed. */
export interface MirrorEvictedEvent extends About {
  readonly bytes: number;
  /** `budget`: `maxMirrorBytes`, or a full disk. `removed`: the repository was purged or forgotten. */
  readonly reason: 'budget' | 'removed';
}

/** A mirror was damaged or incomplete. */
export interface MirrorCorruptedEvent {
  /** `undefined`: at the start, the service could not read a mirror; it is left as it is. */
  readonly repository: RepositoryId | undefined;
  readonly error: SnapshotError;
}

/** A stored artifact was removed. */
export interface EvictedEvent extends AboutArtifact {
  /**
   * `budget`: `maxStoreBytes`, or a full disk. `variants`: `maxVariants`. `deleted`: by `delete`. `removed`: the
   * repository was purged or forgotten, or its mirror was incomplete. `gone`: the upstream no
   * longer has its ref.
   */
  readonly reason: 'budget' | 'variants' | 'deleted' | 'removed' | 'gone';
}

/** An artifact could not be removed from the store. */
export interface EvictionFailedEvent extends About {
  readonly error: SnapshotError;
}

/** The mirror and the artifacts of a repository that the upstream refuses were deleted. */
export interface RepositoryForgottenEvent extends About {
  /** Why some of it could not be deleted: the service tries again. `undefined`: all was deleted. */
  readonly error: SnapshotError | undefined;
}
