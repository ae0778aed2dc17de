import type { ArtifactId } from '../artifact/id.js';
import type { SnapshotError } from '../errors.js';

/**
 * What became of an artifact. `fresh`: it was stored already, and it is current, or another process
 * has just built it. `built`: this call built it. `failed`: it could not be checked or built.
 */
export type WarmOutcome = 'fresh' | 'built' | 'failed';

/** One more artifact has been dealt with. */
export interface WarmProgress {
  readonly artifact: ArtifactId;
  readonly outcome: WarmOutcome;
  /** `undefined` unless it failed. */
  readonly error: SnapshotError | undefined;
  /** Artifacts that have been dealt with, this one included. */
  readonly done: number;
  readonly total: number;
}

export interface WarmFailure {
  readonly artifact: ArtifactId;
  readonly error: SnapshotError;
}

/** What became of all artifacts of a warm-up. */
export interface WarmSummary {
  readonly total: number;
  readonly fresh: number;
  readonly built: number;
  readonly failures: readonly WarmFailure[];
}
