import { isNativeError } from 'node:util/types';
import { ERRORS, isErrorCode, type SnapshotErrorCode } from './error-codes.js';
import type { RepositoryId } from './repository-id.js';

export interface SnapshotErrorOptions {
  /** The underlying error. Never shown to a client. */
  cause?: unknown;
  /** Seconds after which the same request may succeed; `undefined` if that is unknown. */
  retryAfter?: number | undefined;
  /** The repository whose work failed. */
  repository?: RepositoryId | undefined;
  /** For `LIMIT_EXCEEDED`: as `SnapshotError.limit`. */
  limit?: string | undefined;
  /** What is wrong in this case. The client gets it: only repeat data that the client sent. */
  clientDetail?: string | undefined;
}

/** Marks the errors of every installed copy of this library. */
const BRAND = Symbol.for('express-git-snapshot.SnapshotError');

/** The one error type that this library throws on purpose. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly code: SnapshotErrorCode;
  /**
   * Seconds after which the same call may succeed; `undefined` if that is unknown. Failures that are
   * not transient may have it, too: until then, the service repeats the failure without a new
   * attempt.
   */
  readonly retryAfter: number | undefined;
  /** The repository whose work failed; `undefined` if there was none, or it is unknown. */
  readonly repository: RepositoryId | undefined;
  /**
   * For `LIMIT_EXCEEDED`: the name of the option that sets the limit; `undefined` for a limit that
   * no option sets. `undefined` for all other codes.
   */
  readonly limit: string | undefined;
  /** What is wrong in this case, in addition to `clientText`; safe to show to the client. */
  readonly clientDetail: string | undefined;

  static {
    Object.defineProperty(SnapshotError.prototype, BRAND, { value: true });
  }

  /**
   * Whether a value is a `SnapshotError`, also of another installed copy of this library. With
   * `codes`: whether it also has one of them.
   */
  static is(error: unknown, ...codes: readonly SnapshotErrorCode[]): error is SnapshotError {
    const code = tryToRead(() => {
      if (typeof error !== 'object' || error === null || !(BRAND in error)) return undefined;
      return 'code' in error ? error.code : undefined;
    });
    return isErrorCode(code) && (codes.length === 0 || codes.includes(code));
  }

  constructor(code: SnapshotErrorCode, message: string, options: SnapshotErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter = options.retryAfter;
    this.repository = options.repository;
    this.limit = options.limit;
    this.clientDetail = options.clientDetail;
  }

  /** The status with which the router answers; only `ensure-refs` answers `UPSTREAM_*` with 502. */
  get httpStatus(): number {
    return ERRORS[this.code][0];
  }

  /** Whether the same call may succeed later without any change. */
  get isTransient(): boolean {
    return ERRORS[this.code][1];
  }

  /** A sentence that says what is wrong, and is safe to show to anyone. */
  get clientText(): string {
    return ERRORS[this.code][2];
  }

  /** A sentence that says what a client can do next, and is safe to show to anyone. */
  get clientAdvice(): string {
    return ERRORS[this.code][3];
  }
}

/** @param limit the name of the option that sets the limit; `undefined`: no option does. */
export function limitExceeded(
  limit: string | undefined,
  message: string,
  options?: SnapshotErrorOptions,
): SnapshotError {
  return new SnapshotError('LIMIT_EXCEEDED', message, { ...options, limit });
}

/** A failure that is thrown again later, with a stack of its own. */
export function thrownAgain(cause: SnapshotError, retryAfter?: number): SnapshotError {
  const { code, message, repository, limit, clientDetail } = cause;
  const options = { cause, retryAfter, repository, limit, clientDetail };
  return new SnapshotError(code, message, options);
}

/** @param why names the parameter that is wrong. The client gets it. */
export function invalidRequest(why: string, cause?: unknown): SnapshotError {
  return new SnapshotError('INVALID_REQUEST', why, { cause, clientDetail: why });
}

/** Whether the upstream failed, refused, or could not be reached. */
export function isUpstreamFailure(error: unknown): error is SnapshotError {
  return SnapshotError.is(error) && error.code.startsWith('UPSTREAM_');
}

/** Whether the upstream refuses to give this server the repository: 401, 403, 404 or 410. */
export function isAccessRefused(error: unknown): error is SnapshotError {
  return SnapshotError.is(error, 'UPSTREAM_NOT_FOUND', 'UPSTREAM_DENIED');
}

/** Whether this server's own copy of a repository is damaged. */
export function isDamage(error: unknown): error is SnapshotError {
  return SnapshotError.is(error, 'MIRROR_CORRUPTED');
}

/** The plain-data form in which an error crosses a worker boundary. */
export interface SerializedError
  extends Pick<
    SnapshotError,
    'code' | 'message' | 'retryAfter' | 'repository' | 'limit' | 'clientDetail'
  > {
  readonly stack: string | undefined;
  /** The code of the system error that caused it, such as `ENOENT`. */
  readonly systemCode: string | undefined;
}

export function serializeError(thrown: unknown): SerializedError {
  const error = toSnapshotError(thrown);
  const { code, message, stack, retryAfter, repository, limit, clientDetail } = error;
  const details = { retryAfter, repository, limit, clientDetail };
  return { code, message, stack, ...details, systemCode: systemCode(error) };
}

export function deserializeError(data: SerializedError): SnapshotError {
  const { code, message, stack, systemCode, ...details } = data;
  const cause = systemCode && Object.assign(new Error(message), { code: systemCode });
  const error = new SnapshotError(code, message, { ...details, cause });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** The code of a system error, such as `ENOENT`, or of the one that caused a `SnapshotError`. */
export function systemCode(error: unknown): string | undefined {
  if (SnapshotError.is(error)) return systemCode(error.cause);
  return hasCode(error) ? error.code : undefined;
}

/**
 * Gives any thrown value a code. Returns a `SnapshotError` as it is, or a copy that names
 * `repository` if it names none.
 */
export function toSnapshotError(error: unknown, repository?: RepositoryId): SnapshotError {
  if (!SnapshotError.is(error)) {
    const code = tryToRead(() => codeFor(error)) ?? 'INTERNAL';
    return new SnapshotError(code, messageOf(error), { cause: error, repository });
  }
  // The end of a call or service is about no repository, and is often the reason of a signal.
  const isNamed = error.repository !== undefined || SnapshotError.is(error, 'ABORTED', 'CLOSED');
  if (repository === undefined || isNamed) return error;
  const { code, message, stack, cause, retryAfter, limit, clientDetail } = error;
  const options = { cause, retryAfter, repository, limit, clientDetail };
  const copy = new SnapshotError(code, message, options);
  return Object.assign(copy, { stack });
}

/** What V8 says under a limit of the address space, such as `ulimit -v`. */
const NO_ADDRESS_SPACE = /WebAssembly\S*: could not allocate memory/;

/** The message of any thrown value. Never throws. */
export function messageOf(error: unknown): string {
  const read = () => String(error instanceof Error || isNativeError(error) ? error.message : error);
  const message = tryToRead(read) ?? 'an unreadable value was thrown';
  if (!NO_ADDRESS_SPACE.test(message)) return message;
  return `${message}; node reserves 10 GB of address space for each: raise \`ulimit -v\`, or start node with --disable-wasm-trap-handler`;
}

/**
 * Reads a value that the host app threw. Its proxies and getters may throw: `undefined` then. What
 * handles an error must not fail itself.
 */
function tryToRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function codeFor(error: unknown): SnapshotErrorCode {
  if (isDiskFull(error)) return 'STORAGE_FULL';
  // The reason of `AbortController.abort()` is a `DOMException`, and so no native error.
  const name = typeof error === 'object' && error !== null && 'name' in error && error.name;
  return name === 'AbortError' || hasCode(error, 'ABORT_ERR') ? 'ABORTED' : 'INTERNAL';
}

/** Whether the system says that no space is left, or that the user's quota is used up. */
export function isDiskFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC', 'EDQUOT');
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
