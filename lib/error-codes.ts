/** The codes of problems, events and logs. A code never changes its meaning. */
export type SnapshotErrorCode =
  | 'INVALID_OPTIONS'
  | 'INVALID_REPOSITORY'
  | 'INVALID_REQUEST'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_STORED'
  | 'REF_NOT_FOUND'
  | 'BASE_NOT_FOUND'
  | 'PRECONDITION_FAILED'
  | 'CONTENT_TOO_LARGE'
  | 'RANGE_NOT_SATISFIABLE'
  | 'UPSTREAM_NOT_FOUND'
  | 'UPSTREAM_DENIED'
  | 'UPSTREAM_UNREACHABLE'
  | 'UPSTREAM_RATE_LIMITED'
  | 'UPSTREAM_ADDRESS_FORBIDDEN'
  | 'UPSTREAM_TIMEOUT'
  | 'UPSTREAM_INVALID'
  | 'REPOSITORY_INVALID'
  | 'REPOSITORY_UNSUPPORTED'
  | 'LIMIT_EXCEEDED'
  | 'MIRROR_CORRUPTED'
  | 'STORE_FAILED'
  | 'STORAGE_FULL'
  | 'OVERLOADED'
  | 'TOO_MANY_VARIANTS'
  | 'LOCK_UNAVAILABLE'
  | 'LOCK_LOST'
  | 'TARGET_NOT_EMPTY'
  | 'DOWNLOAD_FAILED'
  | 'ARCHIVE_INVALID'
  | 'NAME_UNSUPPORTED'
  | 'ABORTED'
  | 'CLOSED'
  | 'INTERNAL';

/**
 * Of each code: its HTTP status, whether it is transient, and a text that is safe to show to anyone:
 * no paths, URLs, credentials or upstream text. The codes of the restore client have 500. Transient:
 * the same call may succeed later without any change.
 */
export const ERRORS: Readonly<
  Record<SnapshotErrorCode, readonly [status: number, isTransient: boolean, clientText: string]>
> = {
  INVALID_OPTIONS: [500, false, 'The server is misconfigured.'],
  INVALID_REPOSITORY: [400, false, 'The repository address is malformed.'],
  INVALID_REQUEST: [400, false, 'The request is malformed.'],
  UNAUTHORIZED: [401, false, 'The credentials or the signature are missing or wrong.'],
  FORBIDDEN: [403, false, 'This repository is not available here.'],
  NOT_FOUND: [404, false, 'There is nothing at this address.'],
  METHOD_NOT_ALLOWED: [405, false, 'This path does not support this method.'],
  NOT_STORED: [404, false, 'The server has not stored this artifact.'],
  REF_NOT_FOUND: [404, false, 'The repository has no such branch, tag or commit.'],
  BASE_NOT_FOUND: [404, false, 'The server can make no bundle for this base.'],
  PRECONDITION_FAILED: [412, false, 'The stored artifact does not meet the preconditions.'],
  CONTENT_TOO_LARGE: [413, false, 'The request is too large.'],
  RANGE_NOT_SATISFIABLE: [416, false, 'The requested range lies outside the stored artifact.'],
  UPSTREAM_NOT_FOUND: [503, false, 'The upstream has no such repository, or hides it.'],
  UPSTREAM_DENIED: [503, false, 'The upstream refused access to this repository.'],
  UPSTREAM_UNREACHABLE: [503, true, 'The upstream could not be reached, or it failed.'],
  UPSTREAM_RATE_LIMITED: [503, true, 'The upstream limits the requests of this server.'],
  UPSTREAM_ADDRESS_FORBIDDEN: [503, false, 'This server may not connect to the upstream.'],
  UPSTREAM_TIMEOUT: [503, true, 'The upstream did not answer in time.'],
  UPSTREAM_INVALID: [503, false, 'The upstream sent data that is not a valid git repository.'],
  REPOSITORY_INVALID: [503, false, 'The repository has entries that git refuses to check out.'],
  REPOSITORY_UNSUPPORTED: [503, false, 'The repository uses a git feature that is unsupported.'],
  LIMIT_EXCEEDED: [503, false, 'The repository exceeds a limit of this server.'],
  MIRROR_CORRUPTED: [503, true, "The server's copy of the repository is damaged."],
  STORE_FAILED: [500, true, 'The snapshot store failed.'],
  STORAGE_FULL: [507, false, 'The server has no space left.'],
  OVERLOADED: [503, true, 'The server is too busy at the moment.'],
  TOO_MANY_VARIANTS: [429, true, 'The server builds too many snapshots of this repository.'],
  LOCK_UNAVAILABLE: [503, true, 'The server could not lock this repository.'],
  LOCK_LOST: [503, true, 'The server has lost its lock of this repository.'],
  TARGET_NOT_EMPTY: [500, false, 'The target directory is not empty.'],
  DOWNLOAD_FAILED: [500, true, 'The download failed.'],
  ARCHIVE_INVALID: [500, false, 'The archive is truncated or corrupt.'],
  NAME_UNSUPPORTED: [500, false, "The target can't have a name of the archive."],
  ABORTED: [503, true, 'The operation was cancelled.'],
  CLOSED: [503, true, 'The server is shutting down.'],
  INTERNAL: [500, false, 'The server failed.'],
};

/** All codes of errors. */
export const ERROR_CODES: readonly SnapshotErrorCode[] = Object.keys(ERRORS).filter(isErrorCode);

export function isErrorCode(value: unknown): value is SnapshotErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}
