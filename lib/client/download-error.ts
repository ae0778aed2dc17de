import { SnapshotError, type SnapshotErrorOptions } from '../errors.js';

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
}
