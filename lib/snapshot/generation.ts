import type { SnapshotInfo } from './snapshot.js';
import type { Spool } from './spool.js';

/** What those who wait for a generation get to know, as soon as it is known. */
export type GenerationOutcome =
  /** Somebody else had generated the snapshot by the time the lock was ours: ask the store. */
  | { readonly kind: 'stored' }
  | { readonly kind: 'generating'; readonly info: SnapshotInfo; readonly spool: Spool };

export type Announce = (outcome: GenerationOutcome) => void;

/**
 * One generation, which belongs to the service: whoever waits for it may leave without any effect.
 */
export interface Generation {
  /** Resolves before the first byte; rejects when it never comes to that. */
  readonly outcome: Promise<GenerationOutcome>;
  /** Resolves when all is over, stored or failed. Never rejects. */
  readonly done: Promise<void>;
}

/**
 * @param run does the work and announces the outcome on the way; until then its failure is the
 * outcome's.
 */
export function startGeneration(run: (announce: Announce) => Promise<void>): Generation {
  let done: Promise<void> = Promise.resolve();
  const outcome = new Promise<GenerationOutcome>((resolve, reject) => {
    done = run(resolve).catch(reject);
  });
  outcome.catch(() => {}); // nobody may be waiting any more
  return { outcome, done };
}
