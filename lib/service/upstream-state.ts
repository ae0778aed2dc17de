import type { Moment } from '../async/clock.js';
import type { SnapshotError } from '../errors.js';
import type { Head } from '../git/refs.js';
import { type RepositoryId, repositoryOf } from '../repository.js';

/** What the upstream, as far as it is known, has by now. */
export interface UpstreamState {
  readonly digest: string | undefined;
  readonly head: Head | undefined;
  /** When it was last checked, with success, by this process: a date. `undefined`: not yet. */
  readonly checkedAt: number | undefined;
  /** Whether what others found out since then counts. */
  readonly trustsOthers: boolean;
}

/** What this process knows of a repository beside its mirror. */
export interface UpstreamRecord {
  readonly repository: RepositoryId;
  /** When a client last asked for it; `undefined` when none did. */
  readonly askedAt: Moment | undefined;
  /** When the upstream was last asked, with success. */
  readonly checkedAt: Moment | undefined;
  /** What the last question to the upstream failed with; `undefined` when it did not. */
  readonly failure: SnapshotError | undefined;
}

export interface Knowledge extends UpstreamRecord {
  askedAt: Moment | undefined;
  checkedAt: Moment | undefined;
  failure: SnapshotError | undefined;
  /** When the upstream was last asked at all: by `performance.now()`. */
  triedAt: number | undefined;
  /** When that failed; `undefined` when it did not. */
  failedAt: number | undefined;
  /** What it had when it was last asked: stands for HEAD and all refs. */
  digest: string | undefined;
  /** Whether there was a mirror then, which has had that, or something later, since. */
  isMirrored: boolean;
}

export function nothingKnown(repository: RepositoryId): Knowledge {
  return {
    repository: repositoryOf(repository),
    askedAt: undefined,
    checkedAt: undefined,
    triedAt: undefined,
    failure: undefined,
    failedAt: undefined,
    digest: undefined,
    isMirrored: false,
  };
}

/** Of a question to the upstream that was asked then, and answered. */
export function answeredAt(moment: Moment) {
  return { checkedAt: moment, triedAt: moment.time, failure: undefined, failedAt: undefined };
}
