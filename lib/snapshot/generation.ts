import type { ArtifactInfo } from './artifact.js';
import type { Spool } from './spool.js';

/** What those who wait for a generation get to know, as soon as it is known. */
export type GenerationOutcome =
  /** Somebody else had generated the snapshot by the time the lock was ours: ask the store. */
  | { readonly kind: 'stored' }
  | { readonly kind: 'generating'; readonly info: ArtifactInfo; readonly spool: Spool };

export type Announce = (outcome: GenerationOutcome) => void;

/**
 * One generation, which belongs to the service: whoever waits for it may leave without any effect.
 */
export class Generation {
  /** Resolves before the first byte; rejects when it never comes to that. */
  readonly outcome: Promise<GenerationOutcome>;
  /** Resolves when all is over, stored or failed. Never rejects. */
  readonly done: Promise<void>;
  #spool: Spool | undefined;

  /**
   * @param run does the work and announces the outcome on the way; until then its failure is the
   * outcome's.
   */
  constructor(run: (announce: Announce) => Promise<void>) {
    const { promise, resolve, reject } = withResolvers<GenerationOutcome>();
    this.outcome = promise;
    this.outcome.catch(() => {}); // nobody may be waiting any more
    this.done = run((outcome) => {
      if (outcome.kind === 'generating') this.#spool = outcome.spool;
      resolve(outcome);
    }).catch(reject);
  }

  /** All bytes are there, and are being put into the store. */
  get isStoring(): boolean {
    return this.#spool?.isComplete ?? false;
  }
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
