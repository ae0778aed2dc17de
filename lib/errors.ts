import { isNativeError } from 'node:util/types';

/**
 * All error codes, each with its HTTP status and a text that is safe to show to anyone: no paths,
 * URLs, credentials or upstream text. Codes that no request leads to have 500.
 */
export const ERRORS = {
  INVALID_OPTIONS: [500, 'The server is misconfigured.'],
  INVALID_REPOSITORY: [400, 'The repository address is malformed.'],
  INVALID_REQUEST: [400, 'The request is malformed.'],
  UNAUTHORIZED: [401, 'The signature is missing or wrong.'],
  FORBIDDEN: [403, 'This repository is not available here.'],
  METHOD_NOT_ALLOWED: [405, 'This path does not support this method.'],
  NOT_STORED: [404, 'The server has not stored this artifact.'],
  REF_NOT_FOUND: [404, 'The repository has no such branch, tag or commit.'],
  BASE_NOT_FOUND: [404, 'The server can make no bundle for this base.'],
  PRECONDITION_FAILED: [412, 'The stored artifact does not meet the preconditions of the request.'],
  CONTENT_TOO_LARGE: [413, 'The request is too large.'],
  RANGE_NOT_SATISFIABLE: [416, 'The requested range lies outside the stored artifact.'],
  UPSTREAM_NOT_FOUND: [503, 'The upstream has no such repository, or hides it from this server.'],
  UPSTREAM_DENIED: [503, 'The upstream refused access to this repository.'],
  UPSTREAM_UNREACHABLE: [503, 'The upstream could not be reached, or it failed.'],
  UPSTREAM_TIMEOUT: [503, 'The upstream did not answer in time.'],
  UPSTREAM_INVALID: [503, 'The upstream sent data that is not a valid git repository.'],
  REPOSITORY_INVALID: [503, 'The repository contains entries that git refuses to check out.'],
  REPOSITORY_UNSUPPORTED: [503, 'The repository uses a git feature that is not supported here.'],
  LIMIT_EXCEEDED: [503, 'The repository exceeds a limit of this server.'],
  REPOSITORY_DAMAGED: [503, "The server's copy of the repository is damaged."],
  STORE_FAILED: [500, 'The snapshot store failed.'],
  STORAGE_FULL: [507, 'The server has no space left.'],
  OVERLOADED: [503, 'The server is too busy at the moment.'],
  TOO_MANY_VARIANTS: [429, 'The server is already building too many snapshots of this repository.'],
  LOCK_UNAVAILABLE: [503, 'The server could not lock this repository.'],
  LOCK_LOST: [503, 'The server has lost its lock of this repository.'],
  TARGET_NOT_EMPTY: [500, 'The target directory is not empty.'],
  DOWNLOAD_FAILED: [500, 'The download failed.'],
  ARCHIVE_INVALID: [500, 'The archive is truncated or corrupt.'],
  ABORTED: [503, 'The operation was cancelled.'],
  CLOSED: [503, 'The server is shutting down.'],
  INTERNAL: [500, 'The server failed.'],
} as const satisfies Record<string, readonly [status: number, clientText: string]>;

/** Problems, events and logs have these codes. They never change their meaning. */
export type SnapshotErrorCode = keyof typeof ERRORS;

export const ERROR_CODES: readonly SnapshotErrorCode[] = Object.keys(ERRORS).filter(
  (name): name is SnapshotErrorCode => name in ERRORS,
);

export interface SnapshotErrorOptions {
  /** The underlying error. Never shown to a client. */
  cause?: unknown;
  /** Seconds after which the same request may succeed; `undefined` if that is unknown. */
  retryAfter?: number | undefined;
}

/** Marks the errors of every installed copy of this library. */
const BRAND = Symbol.for('express-git-snapshot.SnapshotError');

/** The one error type that this library throws on purpose. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code: SnapshotErrorCode;
  readonly retryAfter: number | undefined;

  static {
    Object.defineProperty(SnapshotError.prototype, BRAND, { value: true });
  }

  /** Whether a value is such an error of any copy of this library; if given, of one of `codes`. */
  static is(error: unknown, ...codes: readonly SnapshotErrorCode[]): error is SnapshotError {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
    const code = ERROR_CODES.find((known) => 'code' in error && error.code === known);
    return code !== undefined && (codes.length === 0 || codes.includes(code));
  }

  constructor(code: SnapshotErrorCode, message: string, options: SnapshotErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter = options.retryAfter;
  }

  /** A sentence that is safe to show to anyone. */
  get clientText(): string {
    return ERRORS[this.code][1];
  }
}

/** Whether the upstream failed, refused, or could not be asked. */
export function isUpstreamFailure(error: unknown): error is SnapshotError {
  return SnapshotError.is(error) && error.code.startsWith('UPSTREAM_');
}

/** Whether the upstream refuses to give this server the repository: 401, 403, 404 or 410. */
export function isAccessRefused(error: unknown): error is SnapshotError {
  return SnapshotError.is(error, 'UPSTREAM_NOT_FOUND', 'UPSTREAM_DENIED');
}

/** Whether this server's own copy of a repository is damaged. */
export function isDamage(error: unknown): error is SnapshotError {
  return SnapshotError.is(error, 'REPOSITORY_DAMAGED');
}

/** The plain-data form in which an error crosses a worker boundary. */
export interface SerializedError {
  code: SnapshotErrorCode;
  message: string;
  stack: string | undefined;
  retryAfter: number | undefined;
  /** The code of the system error that caused it, such as `ENOENT`. */
  systemCode: string | undefined;
}

export function serializeError(thrown: unknown): SerializedError {
  const error = toSnapshotError(thrown);
  const { code, message, stack, retryAfter } = error;
  return { code, message, stack, retryAfter, systemCode: systemCode(error) };
}

export function deserializeError(data: SerializedError): SnapshotError {
  const { code, message, stack, retryAfter, systemCode } = data;
  const cause = systemCode && Object.assign(new Error(message), { code: systemCode });
  const error = new SnapshotError(code, message, { cause, retryAfter });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** The code of a system error, such as `ENOENT`, or of the one that caused a `SnapshotError`. */
export function systemCode(error: unknown): string | undefined {
  if (SnapshotError.is(error)) return systemCode(error.cause);
  return hasCode(error) ? error.code : undefined;
}

/** Gives any thrown value a code; a `SnapshotError` is returned as it is. */
export function toSnapshotError(error: unknown): SnapshotError {
  if (SnapshotError.is(error)) return error;
  const message = error instanceof Error || isNativeError(error) ? error.message : String(error);
  return new SnapshotError(codeFor(error), message, { cause: error });
}

function codeFor(error: unknown): SnapshotErrorCode {
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return 'STORAGE_FULL';
  // The reason of `AbortController.abort()` is a `DOMException`, and so no native error.
  const name = typeof error === 'object' && error !== null && 'name' in error && error.name;
  return name === 'AbortError' || hasCode(error, 'ABORT_ERR') ? 'ABORTED' : 'INTERNAL';
}

/**
 * Whether a caught value is an error of Node or the system with one of these codes, such as
 * `ENOENT`. Default: any code. Unlike `instanceof`, recognizes errors of other realms, such as a
 * test runner's.
 */
export function hasCode(error: unknown, ...codes: string[]): error is Error & { code: string } {
  if (!isNativeError(error) || !('code' in error) || typeof error.code !== 'string') return false;
  return codes.length === 0 || codes.includes(error.code);
}
