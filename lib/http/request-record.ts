import type { ArtifactOutcome } from '../artifact/artifact.js';
import { elapsedSince, now, type Time } from '../async/clock.js';
import type { RequestedArtifact } from '../config/requested-artifact.js';
import type { SnapshotError } from '../errors.js';
import type { RequestEndedEvent, RequestOutcome } from '../events/router-events.js';
import type { RepositoryId } from '../repository.js';

/** What is known of a request so far: for `requestEnded`. */
export class RequestRecord {
  readonly #since = now();
  #firstByteAt: Time | undefined;
  #bytes = 0;
  repository: RepositoryId | undefined;
  requested: RequestedArtifact | undefined;
  /** Set when the client gets an artifact. */
  outcome: ArtifactOutcome | 'offloaded' | undefined;
  error: SnapshotError | undefined;
  isAborted = false;

  /** Bytes of the artifact were sent. */
  sent(bytes: number): void {
    this.#firstByteAt ??= now();
    this.#bytes += bytes;
  }

  /** @param status of the answer; `undefined`: it has not begun. */
  end(status: number | undefined): RequestEndedEvent {
    const { repository, requested, error } = this;
    return {
      repository,
      requested,
      outcome: this.#outcomeOf(status),
      status,
      error,
      bytes: this.#bytes,
      firstByteMs: this.#firstByteAt === undefined ? undefined : this.#firstByteAt - this.#since,
      durationMs: elapsedSince(this.#since),
    };
  }

  #outcomeOf(status = 0): RequestOutcome {
    // A client that stalls has its connection cut: `ABORTED`.
    if (this.isAborted || this.error?.code === 'ABORTED') return 'aborted';
    if (status >= 400) return status < 500 ? 'refused' : 'failed';
    if (this.error !== undefined) return 'failed';
    if (status === 304) return 'notModified';
    if (status === 307) return 'redirected';
    return this.outcome ?? 'answered';
  }
}
