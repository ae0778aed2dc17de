import { isNativeError } from 'node:util/types';

/**
 * Every way in which this library fails, as a closed set of codes. The codes are part of the public
 * API: they appear in `problem+json` bodies, events and logs, and never change meaning.
 */
export const ERROR_CODES = [
  'INVALID_OPTIONS',
  'INVALID_REPOSITORY',
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'FORBIDDEN',
  'METHOD_NOT_ALLOWED',
  'NOT_STORED',
  'REF_NOT_FOUND',
  'BASE_NOT_FOUND',
  'PRECONDITION_FAILED',
  'CONTENT_TOO_LARGE',
  'RANGE_NOT_SATISFIABLE',
  'UPSTREAM_NOT_FOUND',
  'UPSTREAM_DENIED',
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_INVALID',
  'REPOSITORY_INVALID',
  'REPOSITORY_UNSUPPORTED',
  'LIMIT_EXCEEDED',
  'REPOSITORY_DAMAGED',
  'STORE_FAILED',
  'STORAGE_FULL',
  'OVERLOADED',
  'TOO_MANY_VARIANTS',
  'LOCK_FAILED',
  'TARGET_NOT_EMPTY',
  'DOWNLOAD_FAILED',
  'ARCHIVE_INVALID',
  'ABORTED',
  'CLOSED',
  'INTERNAL',
] as const;

export type SnapshotErrorCode = (typeof ERROR_CODES)[number];

export interface SnapshotErrorOptions {
  /** The underlying error. Never shown to a client. */
  cause?: unknown;
  /** Seconds after which the same request may succeed. */
  retryAfter?: number;
}

/**
 * The text for clients, for each code: without paths, URLs, credentials or upstream text. The error's own message may
 * hold such detail; it is only for the host's log.
 */
const CLIENT_TEXT: Record<SnapshotErrorCode, string> = {
  INVALID_OPTIONS: 'The server is misconfigured.',
  INVALID_REPOSITORY: 'The repository address is malformed.',
  INVALID_REQUEST: 'The request is malformed.',
  UNAUTHORIZED: 'The signature is missing or wrong.',
  FORBIDDEN: 'This repository is not available here.',
  METHOD_NOT_ALLOWED: 'This method is not supported here.',
  NOT_STORED: 'What was asked for is not stored.',
  REF_NOT_FOUND: 'The repository has no such branch, tag or commit.',
  BASE_NOT_FOUND: 'No bundle can be made for this base.',
  PRECONDITION_FAILED: 'What is stored is not what was asked for.',
  CONTENT_TOO_LARGE: 'The request is too large.',
  RANGE_NOT_SATISFIABLE: 'The requested range lies outside of what is stored.',
  UPSTREAM_NOT_FOUND: 'The upstream has no such repository, or does not show it to this server.',
  UPSTREAM_DENIED: 'The upstream refused access to this repository.',
  UPSTREAM_UNREACHABLE: 'The upstream could not be reached or failed.',
  UPSTREAM_TIMEOUT: 'The upstream did not answer in time.',
  UPSTREAM_INVALID: 'The upstream sent data that is not a valid git repository.',
  REPOSITORY_INVALID: 'The repository contains entries that git refuses to check out.',
  REPOSITORY_UNSUPPORTED: 'The repository uses a git feature that is not supported here.',
  LIMIT_EXCEEDED: 'The repository exceeds a limit of this server.',
  REPOSITORY_DAMAGED: 'The copy of the repository on this server is damaged.',
  STORE_FAILED: 'The snapshot store failed.',
  STORAGE_FULL: 'The server has no space left.',
  OVERLOADED: 'The server has too many snapshots to make at the moment.',
  TOO_MANY_VARIANTS: 'Too many snapshots of this repository are being made at the moment.',
  LOCK_FAILED: 'The lock for this repository could not be taken.',
  TARGET_NOT_EMPTY: 'The target directory is not empty.',
  DOWNLOAD_FAILED: 'The download failed.',
  ARCHIVE_INVALID: 'The archive is truncated or corrupt.',
  ABORTED: 'The operation was cancelled.',
  CLOSED: 'The server is shutting down.',
  INTERNAL: 'The server failed.',
};

/** The one error type that this library throws on purpose. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code: SnapshotErrorCode;
  readonly retryAfter: number | undefined;

  constructor(code: SnapshotErrorCode, message: string, options: SnapshotErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter = options.retryAfter;
  }

  /** A sentence that is safe to show to anyone. */
  get clientText(): string {
    return CLIENT_TEXT[this.code];
  }
}

/** Whether it is the upstream that failed, or could not be asked. */
export function isUpstreamFailure(error: unknown): error is SnapshotError {
  return error instanceof SnapshotError && error.code.startsWith('UPSTREAM_');
}

/** Whether the upstream says that there is no such repository, or not for this server: 401, 403, 404, 410. */
export function isAccessRefused(error: unknown): error is SnapshotError {
  if (!(error instanceof SnapshotError)) return false;
  return error.code === 'UPSTREAM_NOT_FOUND' || error.code === 'UPSTREAM_DENIED';
}

/** Whether it is this server's own copy of a repository that is not whole any more. */
export function isDamage(error: unknown): error is SnapshotError {
  return error instanceof SnapshotError && error.code === 'REPOSITORY_DAMAGED';
}

/** The plain-data form in which an error crosses a worker boundary. */
export interface SerializedError {
  code: SnapshotErrorCode;
  message: string;
  stack: string | undefined;
  retryAfter: number | undefined;
  /** Of the system call that it comes from, such as `ENOENT`. */
  systemCode: string | undefined;
}

export function serializeError(thrown: unknown): SerializedError {
  const error = toSnapshotError(thrown);
  const { code, message, stack, retryAfter } = error;
  return { code, message, stack, retryAfter, systemCode: systemCode(error) };
}

export function deserializeError(data: SerializedError): SnapshotError {
  const { code, message, stack, retryAfter, systemCode } = data;
  const error = new SnapshotError(code, message, {
    ...(retryAfter !== undefined && { retryAfter }),
    ...(systemCode !== undefined && {
      cause: Object.assign(new Error(message), { code: systemCode }),
    }),
  });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** Of a system error (`ENOENT` and the like), or one that has it for a cause. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof SnapshotError) return systemCode(error.cause);
  return hasCode(error) ? error.code : undefined;
}

/** Gives any thrown value a code; a `SnapshotError` is returned as it is. */
export function toSnapshotError(error: unknown): SnapshotError {
  if (error instanceof SnapshotError) return error;
  const message = error instanceof Error || isNativeError(error) ? error.message : String(error);
  const code = hasCode(error) ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SnapshotError('STORAGE_FULL', message, { cause: error });
  }
  if (isAbortError(error) || code === 'ABORT_ERR') {
    return new SnapshotError('ABORTED', message, { cause: error });
  }
  return new SnapshotError('INTERNAL', message, { cause: error });
}

/** The reason of `AbortController.abort()`, which is a `DOMException` and so no native error. */
function isAbortError(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
  );
}

/**
 * Narrows a caught value to a Node system error (`ENOENT` and the like). Errors of other realms, such
 * as a test runner's, count as well, which `instanceof` would not see.
 */
export function hasCode(error: unknown): error is Error & { code: string } {
  return isNativeError(error) && 'code' in error && typeof error.code === 'string';
}
