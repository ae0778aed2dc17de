import type { ArtifactInfo } from '../artifact/artifact.js';
import { unlessAborted } from '../async/abort.js';
import { withResolvers } from '../async/with-resolvers.js';
import { SnapshotError } from '../errors.js';
import type { Spool } from '../writer/spool.js';

/** What those who wait for a generation get to know, as soon as it is known. */
export type BuildOutcome =
  /** What is stored is what would have been generated: ask the store. */
  | { readonly kind: 'stored' }
  | { readonly kind: 'generating'; readonly info: ArtifactInfo; readonly spool: Spool };

/**
 * `stored`: what was asked for is. `overtaken`: somebody else has stored something meanwhile, which may be it or
 * not. `not-stored`: it failed, or the store did not take it.
 */
export type BuildEnd = 'stored' | 'superseded' | 'not-stored';

/** What a generation tells on its way. */
export interface Progress {
  /** Resolves when somebody waits for a generation that nobody waited for. */
  readonly awaited: Promise<void>;
  /** Aborts when it is a variant that nobody waits for any more; not after `begin` or `announce`. */
  readonly dropped: AbortSignal;
  /** Its turn has come. */
  begin(): void;
  /** It reads from now on what the mirror has: known by its digest. */
  reads(digest: string): void;
  announce(outcome: BuildOutcome): void;
}

/**
 * One generation, which belongs to the service: whoever waits for it may leave without any effect. Only a
 * variant that all have left before its turn is dropped: anybody may ask for any number of these.
 */
export class Build {
  /** Resolves when all is over. Never rejects. */
  readonly done: Promise<BuildEnd>;
  #spool: Spool | undefined;
  #digest: string | undefined;
  #readAt: number | undefined;
  readonly #outcome: Promise<BuildOutcome>;
  readonly #hurry: () => void;
  readonly #dropped = new AbortController();
  #waiting = 0;
  #mayBeDropped: boolean;

  /**
   * @param run does the work and announces the outcome on the way; until then its failure is the
   * outcome's.
   * @param isVariant of a repository's default snapshot.
   */
  constructor(run: (progress: Progress) => Promise<BuildEnd>, isVariant: boolean) {
    const { promise, resolve, reject } = withResolvers<BuildOutcome>();
    this.#mayBeDropped = isVariant;
    this.#outcome = promise;
    this.#outcome.catch(() => {}); // nobody may be waiting any more
    const awaited = withResolvers<void>();
    this.#hurry = awaited.resolve;
    const progress = {
      awaited: awaited.promise,
      dropped: this.#dropped.signal,
      begin: () => {
        this.#mayBeDropped = false;
      },
      reads: (digest: string) => {
        this.#digest = digest;
        this.#readAt = performance.now();
      },
      announce: (outcome: BuildOutcome) => {
        this.#mayBeDropped = false;
        if (outcome.kind === 'generating') this.#spool = outcome.spool;
        resolve(outcome);
      },
    };
    this.done = run(progress).catch((error: unknown) => {
      reject(error);
      return 'not-stored';
    });
  }

  /** It comes to nothing: whoever wants the artifact now needs another one. */
  get isDropped(): boolean {
    return this.#dropped.signal.aborted;
  }

  /**
   * Resolves before the first byte.
   *
   * @throws what it failed with before that; the signal's reason.
   */
  async outcome(signal?: AbortSignal): Promise<BuildOutcome> {
    this.#waiting++;
    try {
      return await unlessAborted(this.#outcome, signal);
    } finally {
      this.#waiting--;
      if (this.#mayBeDropped && this.#waiting === 0) {
        this.#dropped.abort(new SnapshotError('ABORTED', 'nobody waits for it any more'));
      }
    }
  }

  /** Says that somebody waits for it. */
  hurry(): void {
    this.#hurry();
  }

  /** Since when all bytes have been there, and are being put into the store: by `performance.now()`. */
  get storingSince(): number | undefined {
    return this.#spool?.completeAt;
  }

  /**
   * Whether it will be of what the upstream had at a time, or later: it has not begun to read yet, began
   * after that, or reads just that.
   *
   * @param time by `performance.now()`.
   */
  isSince(time: number, digest: string | undefined): boolean {
    return this.#readAt === undefined || this.#readAt >= time || this.isOf(digest);
  }

  /** Whether it reads just what this digest stands for. */
  isOf(digest: string | undefined): boolean {
    return this.#digest === digest;
  }
}
