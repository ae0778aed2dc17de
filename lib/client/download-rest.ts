import type { IncomingMessage } from 'node:http';
import { failedAnswer, headerOf, type RequestOptions, sendRequest } from './request.js';

/** What has come of a download that broke off. */
export interface Received {
  /** The entity tag of the snapshot: equal tags mean equal bytes. */
  readonly etag: string;
  readonly bytes: number;
}

export interface Rest {
  readonly body: IncomingMessage;
  /** Bytes at the start of the body that came before: a server that builds sends no ranges. */
  readonly skip: number;
}

/**
 * Requests the rest of a download that broke off (RFC 9110, 13.1.5 and 14.2).
 *
 * @returns `undefined` if the server has another snapshot by now.
 * @throws as `startDownload`
 */
export async function downloadRest(
  url: URL,
  { etag, bytes }: Received,
  options: RequestOptions,
): Promise<Rest | undefined> {
  const headers = { range: `bytes=${bytes}-`, 'if-range': etag };
  const answer = await sendRequest(url, { method: 'GET', headers }, options);
  const { message, status } = answer;
  if (status !== 200 && status !== 206) throw await failedAnswer(answer);
  if (message.headers.etag === etag) {
    if (status === 200) return { body: message, skip: bytes };
    const from = headerOf(message, 'content-range', /^bytes \d+-/)
      ?.slice(6)
      .split('-')[0];
    if (Number(from) === bytes) return { body: message, skip: 0 };
  }
  message.destroy();
  return undefined;
}
