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
  | 'STORE_BUSY'
  | 'STORAGE_FULL'
  | 'OVERLOADED'
  | 'TOO_MANY_VARIANTS'
  | 'LOCK_UNAVAILABLE'
  | 'LOCK_LOST'
  | 'TARGET_NOT_EMPTY'
  | 'DOWNLOAD_FAILED'
  | 'ARCHIVE_INVALID'
  | 'NAME_UNSUPPORTED'
  | 'LOCAL_CHANGES'
  | 'DIVERGED'
  | 'CHECKOUT_LOCKED'
  | 'CHECKOUT_UNSUPPORTED'
  | 'ABORTED'
  | 'CLOSED'
  | 'INTERNAL';

/**
 * Of each code: its HTTP status, whether it is transient, and two sentences that are safe to show to
 * anyone: what is wrong, and what to do next. They have no paths, URLs, credentials or upstream text.
 * The codes of the restore client have 500. Transient: the same call may succeed later without any
 * change.
 */
export const ERRORS: Readonly<
  Record<
    SnapshotErrorCode,
    readonly [status: number, isTransient: boolean, clientText: string, clientAdvice: string]
  >
> = {
  INVALID_OPTIONS: [
    500,
    false,
    'The server is misconfigured.',
    'Tell the operator of this server.',
  ],
  INVALID_REPOSITORY: [
    400,
    false,
    'The repository address is malformed.',
    'Correct the host and the path in the URL.',
  ],
  INVALID_REQUEST: [400, false, 'The request is malformed.', 'Correct the request.'],
  UNAUTHORIZED: [
    401,
    false,
    'The credentials or the signature are missing or wrong.',
    'Send the credentials or the signature that are required.',
  ],
  FORBIDDEN: [
    403,
    false,
    'This repository is not available here.',
    'Check the address, or ask the operator of this server for access.',
  ],
  NOT_FOUND: [404, false, 'There is nothing at this address.', 'Check the address.'],
  METHOD_NOT_ALLOWED: [
    405,
    false,
    'This path does not support this method.',
    'Use one of the methods in the Allow header.',
  ],
  NOT_STORED: [
    404,
    false,
    'The server has not stored this artifact.',
    'Send a GET request: it builds the artifact.',
  ],
  REF_NOT_FOUND: [
    404,
    false,
    'The repository has no such branch, tag or commit.',
    'Give the short name of a branch or tag, or the full id of a commit.',
  ],
  BASE_NOT_FOUND: [
    404,
    false,
    'The server can make no bundle for this base.',
    'Fetch from the upstream with git.',
  ],
  PRECONDITION_FAILED: [
    412,
    false,
    'The stored artifact does not meet the preconditions.',
    'Start again from the beginning, without the preconditions.',
  ],
  CONTENT_TOO_LARGE: [413, false, 'The request is too large.', 'Send a smaller request.'],
  RANGE_NOT_SATISFIABLE: [
    416,
    false,
    'The requested range lies outside the stored artifact.',
    'Request a range within the size that Content-Range gives.',
  ],
  UPSTREAM_NOT_FOUND: [
    503,
    false,
    'The upstream has no such repository, or hides it.',
    'Check the path, or ask the operator of this server for access to the repository.',
  ],
  UPSTREAM_DENIED: [
    503,
    false,
    'The upstream refused access to this repository.',
    'Ask the operator of this server for access to the repository.',
  ],
  UPSTREAM_UNREACHABLE: [
    503,
    true,
    'The upstream could not be reached, or it failed.',
    'Try again later.',
  ],
  UPSTREAM_RATE_LIMITED: [
    503,
    true,
    'The upstream limits the requests of this server.',
    'Try again later.',
  ],
  UPSTREAM_ADDRESS_FORBIDDEN: [
    503,
    false,
    'This server may not connect to the upstream.',
    'Ask the operator of this server to allow the address.',
  ],
  UPSTREAM_TIMEOUT: [503, true, 'The upstream did not answer in time.', 'Try again later.'],
  UPSTREAM_INVALID: [
    503,
    false,
    'The upstream sent data that is not a valid git repository.',
    'Check the address of the upstream with git clone, and the repository with git fsck.',
  ],
  REPOSITORY_INVALID: [
    503,
    false,
    'The repository has entries that git refuses to check out.',
    'Repair the entries in the repository, or request another ref.',
  ],
  REPOSITORY_UNSUPPORTED: [
    503,
    false,
    'The repository uses a git feature that is unsupported.',
    'Clone the repository with git.',
  ],
  LIMIT_EXCEEDED: [
    503,
    false,
    'The repository exceeds a limit of this server.',
    'Clone the repository with git, or ask the operator of this server for a higher limit.',
  ],
  MIRROR_CORRUPTED: [
    503,
    true,
    "The server's copy of the repository is damaged.",
    'Try again later: the server makes a new copy.',
  ],
  STORE_FAILED: [
    500,
    true,
    'The snapshot store failed.',
    'Try again later, and tell the operator of this server if it fails again.',
  ],
  STORE_BUSY: [
    503,
    true,
    'The snapshot store is too busy at the moment.',
    'Try again after the time in Retry-After.',
  ],
  STORAGE_FULL: [507, false, 'The server has no space left.', 'Tell the operator of this server.'],
  OVERLOADED: [503, true, 'The server is too busy at the moment.', 'Try again later.'],
  TOO_MANY_VARIANTS: [
    429,
    true,
    'The server builds too many snapshots of this repository.',
    'Try again later, or request the default snapshot.',
  ],
  LOCK_UNAVAILABLE: [503, true, 'The server could not lock this repository.', 'Try again later.'],
  LOCK_LOST: [503, true, 'The server has lost its lock of this repository.', 'Try again later.'],
  TARGET_NOT_EMPTY: [500, false, 'The target directory is not empty.', 'Choose another directory.'],
  DOWNLOAD_FAILED: [500, true, 'The download failed.', 'Try again later.'],
  ARCHIVE_INVALID: [
    500,
    false,
    'The archive is truncated or corrupt.',
    'Download the archive again.',
  ],
  NAME_UNSUPPORTED: [
    500,
    false,
    "The target can't have a name of the archive.",
    'Restore to another file system, or skip the names that this one refuses.',
  ],
  LOCAL_CHANGES: [
    500,
    false,
    'The update would overwrite local changes.',
    'Commit, stash or move the local changes, or force the update.',
  ],
  DIVERGED: [
    500,
    false,
    'The checkout has commits that the snapshot lacks.',
    'Rebase or push the commits, or force the update.',
  ],
  CHECKOUT_LOCKED: [
    500,
    true,
    'Another program is writing to the checkout.',
    'Try again when no git program is running in the checkout.',
  ],
  CHECKOUT_UNSUPPORTED: [
    500,
    false,
    "This checkout can't be updated.",
    'Use git, or restore into another directory.',
  ],
  ABORTED: [503, true, 'The operation was cancelled.', 'Try again.'],
  CLOSED: [503, true, 'The server is shutting down.', 'Try again later, or at another instance.'],
  INTERNAL: [500, false, 'The server failed.', 'Tell the operator of this server.'],
};

/** All codes of errors. */
export const ERROR_CODES: readonly SnapshotErrorCode[] = Object.keys(ERRORS).filter(isErrorCode);

export function isErrorCode(value: unknown): value is SnapshotErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}
