import type { ArtifactInfo } from '../artifact/artifact.js';
import { type ArtifactId, isVariant } from '../artifact/id.js';
import { unlessAborted } from '../async/abort.js';
import { now, type Time } from '../async/clock.js';
import { withResolvers } from '../async/with-resolvers.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { Spool } from './spool.js';

/** An artifact to build, and how. */
export interface BuildOrder {
  readonly id: ArtifactId;
  /** When the artifact was requested: the build must not show older refs. */
  readonly requestedAt: Time;
  /** Whether no client waits for the artifact. */
  readonly isBackground: boolean;
  /** Whether to build even if the stored artifact is current. */
  readonly isForced: boolean;
}

/** The outcome that a build announces before its first byte. */
export type BuildOutcome =
  /** The stored artifact is current: read it from the store. */
  | { readonly kind: 'stored' }
  | { readonly kind: 'building'; readonly info: ArtifactInfo; readonly spool: Spool };

/**
 * How a build ended. `stored`: the artifact is in the store. `superseded`: the stored version has
 * changed meanwhile; it may be newer or older than this artifact. `not-stored`: the build failed,
 * or the store did not take the artifact.
 */
export type BuildEnd = 'stored' | 'superseded' | 'not-stored';

/** The connection between a `Build` and the function that does its work. */
export interface Progress {
  /** Resolves when a client begins to wait for a background build. */
  readonly awaited: Promise<void>;
  /** Aborts when all clients of a variant leave before `begin` or `announce`. */
  readonly dropped: AbortSignal;
  /** The build's turn has come. */
  begin(): void;
  /** The build reads a revision of the mirror with this digest. */
  reads(digest: string): void;
  announce(outcome: BuildOutcome): void;
}

/**
 * One build of an artifact. It belongs to the service, and goes on when clients leave. Only the
 * build of a variant is dropped if all leave before its turn: clients can request any number of
 * variants.
 */
export class Build {
  /** Resolves when the build has ended; the store was written by then. Never rejects. */
  readonly done: Promise<BuildEnd>;
  #spool: Spool | undefined;
  #read: { readonly digest: string; readonly at: Time } | undefined;
  readonly #outcome: Promise<BuildOutcome>;
  readonly #awaited = withResolvers<void>();
  readonly #dropped = new AbortController();
  #waiting = 0;
  #mayBeDropped: boolean;

  /** @param run does the work, and announces the outcome. If it fails before that, callers fail. */
  constructor({ id }: BuildOrder, run: (progress: Progress) => Promise<BuildEnd>) {
    const { promise, resolve, reject } = withResolvers<BuildOutcome>();
    this.#mayBeDropped = isVariant(id);
    this.#outcome = promise;
    promise.catch(() => {}); // all callers may have left
    const progress = {
      awaited: this.#awaited.promise,
      dropped: this.#dropped.signal,
      begin: () => {
        this.#mayBeDropped = false;
      },
      reads: (digest: string) => {
        this.#read = { digest, at: now() };
      },
      announce: (outcome: BuildOutcome) => {
        this.#mayBeDropped = false;
        if (outcome.kind === 'building') this.#spool = outcome.spool;
        resolve(outcome);
      },
    };
    this.done = run(progress).catch((error: unknown) => {
      reject(toSnapshotError(error, id.repository));
      return 'not-stored';
    });
  }

  /** Whether it was dropped, so that a new request needs another build. */
  get isDropped(): boolean {
    return this.#dropped.signal.aborted;
  }

  /** Resolves before the first byte. @throws the failure of the build; the signal's reason. */
  async outcome(signal?: AbortSignal): Promise<BuildOutcome> {
    this.#waiting++;
    try {
      return await unlessAborted(this.#outcome, signal);
    } finally {
      this.#waiting--;
      if (this.#mayBeDropped && this.#waiting === 0) {
        this.#dropped.abort(new SnapshotError('ABORTED', 'all clients have left'));
      }
    }
  }

  /** Notes that a client waits for the build now. */
  hurry(): void {
    this.#awaited.resolve();
  }

  /** When the last byte was written and storing began; `undefined` before. */
  get storingSince(): Time | undefined {
    return this.#spool?.completeAt;
  }

  /**
   * Whether the build includes every push before `time`: it has not begun to read the mirror, began
   * after `time`, or reads refs with this digest.
   */
  isSince(time: Time, digest: string | undefined): boolean {
    return this.#read === undefined || this.#read.at >= time || this.isOf(digest);
  }

  /** Whether the build reads refs with this digest. */
  isOf(digest: string | undefined): boolean {
    return this.#read?.digest === digest;
  }
}
