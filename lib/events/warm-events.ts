import type { ArtifactId } from '../artifact/id.js';
import type { SnapshotError } from '../errors.js';

/**
 * The outcome of one artifact. `fresh`: it was stored already and is current, or another process has
 * just built it. `built`: this call built it. `failed`: it could not be checked or built.
 */
export type WarmOutcome = 'fresh' | 'built' | 'failed';

/** The outcome of one more artifact. */
export interface WarmProgress {
  readonly artifact: ArtifactId;
  readonly outcome: WarmOutcome;
  /** `undefined` unless it failed. */
  readonly error: SnapshotError | undefined;
  /** Artifacts that have an outcome, this one included. */
  readonly done: number;
  readonly total: number;
}

/** An artifact that could not be checked or built, and why. */
export interface WarmFailure {
  readonly artifact: ArtifactId;
  readonly error: SnapshotError;
}

/** The outcomes of a warm-up. */
export interface WarmSummary {
  readonly total: number;
  readonly fresh: number;
  readonly built: number;
  readonly failures: readonly WarmFailure[];
}
