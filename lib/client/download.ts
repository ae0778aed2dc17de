import type { IncomingMessage } from 'node:http';
import { failedAnswer, headerOf, type RequestOptions, sendRequest } from './request.js';

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** An answer with a snapshot or bundle. Its reader destroys the body, or reads it to its end. */
export interface Download {
  /** As that of `Answer`. */
  readonly body: IncomingMessage;
  /** Of the body, for messages. */
  readonly name: string;
  /** The commit of HEAD, if the server names it. */
  readonly commit: string | undefined;
  /** Bytes, if the server knows the size already. */
  readonly totalBytes: number | undefined;
  /** A strong entity tag: equal tags mean equal bytes. */
  readonly etag: string | undefined;
}

/** Requests a snapshot. @throws as `sendRequest`; DownloadError for every status but 200. */
export async function startDownload(url: URL, options: RequestOptions): Promise<Download> {
  const download = await startOptionalDownload(url, [], options);
  if (typeof download === 'number') throw new RangeError('no other status is expected');
  return download;
}

/**
 * Requests what the server may not have.
 *
 * @param expected statuses that are no failure.
 * @returns the download, or such a status.
 * @throws as `startDownload`.
 */
export async function startOptionalDownload(
  url: URL,
  expected: readonly number[],
  options: RequestOptions,
): Promise<Download | number> {
  const answer = await sendRequest(url, { method: 'GET' }, options);
  const { message, name, status, ofServer } = answer;
  if (status !== undefined && expected.includes(status)) {
    message.destroy();
    return status;
  }
  if (status !== 200) throw await failedAnswer(answer);
  const length = headerOf(message, 'content-length', /^\d{1,15}$/);
  const totalBytes = length === undefined ? undefined : Number(length);
  // Only the server sends the commit: a store to which it redirects does not know it.
  const commit = ofServer.map(commitOf).find((value) => value !== undefined);
  const etag = headerOf(message, 'etag', /^"[^"]*"$/);
  return { body: message, name, commit, totalBytes, etag };
}

function commitOf(answer: IncomingMessage): string | undefined {
  const names = ['snapshot-commit', 'x-cachew-snapshot-commit'];
  const values = names.map((name) => headerOf(answer, name, COMMIT));
  return values.find((value) => value !== undefined);
}
