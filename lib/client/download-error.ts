import { ERRORS, isErrorCode } from '../error-codes.js';
import { SnapshotError, type SnapshotErrorOptions } from '../errors.js';

/** Without an answer, after an answer that broke off, and of servers that are down or too busy. */
const TRANSIENT: readonly (number | undefined)[] = [undefined, 200, 408, 429, 502, 503, 504];

export interface DownloadErrorOptions extends SnapshotErrorOptions {
  readonly status?: number | undefined;
  readonly remoteCode?: string | undefined;
}

/** A failed download. Every error of this package with the code `DOWNLOAD_FAILED` has this type. */
export class DownloadError extends SnapshotError {
  /**
   * The HTTP status of the answer, also if its body broke off. `undefined` without an answer, and
   * for a stream that the caller opened.
   */
  readonly status: number | undefined;
  /**
   * The `code` in the server's problem document, such as `UPSTREAM_NOT_FOUND`. A newer server may
   * send codes that this version does not know.
   */
  readonly remoteCode: string | undefined;

  /** Whether a value is a `DownloadError`, also of another installed copy of this library. */
  static override is(error: unknown): error is DownloadError {
    return SnapshotError.is(error, 'DOWNLOAD_FAILED') && 'remoteCode' in error;
  }

  constructor(message: string, { status, remoteCode, ...options }: DownloadErrorOptions = {}) {
    super('DOWNLOAD_FAILED', message, options);
    this.status = status;
    this.remoteCode = remoteCode;
  }

  /**
   * Whether a retry may help. The server says so by `Retry-After` or its code; else the status does.
   */
  override get isTransient(): boolean {
    const { retryAfter, remoteCode, status } = this;
    if (retryAfter !== undefined) return true;
    // A server of a later version sends `Retry-After` with its transient codes.
    if (remoteCode !== undefined) return isErrorCode(remoteCode) && ERRORS[remoteCode][1];
    return TRANSIENT.includes(status);
  }
}
