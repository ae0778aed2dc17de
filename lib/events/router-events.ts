import type { ArtifactOutcome } from '../artifact/artifact.js';
import type { RequestedArtifact } from '../config/requested-artifact.js';
import type { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';

/** The events of a router: the name of each, and what its listeners get. */
export interface RouterEvents {
  /** A request for an artifact of a repository has its answer, or its client has left. */
  requestEnded: RequestEndedEvent;
}

/**
 * What became of a request. `hit`, `stale`, `miss`, `joined`: the client has got the artifact. `redirected`:
 * it has got the URL of the artifact, or of the repository. `offloaded`: the web server in front of the
 * app sends the artifact. `notModified`: 304. `answered`: any other
 * success, such as HEAD. `refused`: a 4xx. `failed`: a 5xx, or an answer that broke off. `aborted`: the
 * client has left before its answer was complete.
 */
export type RequestOutcome =
  | ArtifactOutcome
  | 'redirected'
  | 'offloaded'
  | 'notModified'
  | 'answered'
  | 'refused'
  | 'failed'
  | 'aborted';

/** A router has answered a request, or its client has left. */
export interface RequestEndedEvent {
  /** `undefined` if the address names no allowed repository. */
  readonly repository: RepositoryId | undefined;
  /** `undefined` if the request was refused before its query was read. */
  readonly requested: RequestedArtifact | undefined;
  readonly outcome: RequestOutcome;
  /** The status of the answer; `undefined` if the client got none. */
  readonly status: number | undefined;
  /** The failure that the client has got, or that broke off its answer. */
  readonly error: SnapshotError | undefined;
  /** Bytes of the artifact that the app has sent. */
  readonly bytes: number;
  /** Milliseconds until the first byte of the artifact; `undefined` if none was sent. */
  readonly firstByteMs: number | undefined;
  /** Milliseconds from the request to the end of its answer. */
  readonly durationMs: number;
}
