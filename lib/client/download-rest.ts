import type { IncomingMessage } from 'node:http';
import { failedAnswer, followRedirects, headerOf, type RequestOptions } from './download.js';

/** Where a download broke off. */
export interface Position {
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
  { etag, bytes }: Position,
  options: RequestOptions,
): Promise<Rest | undefined> {
  const range = { range: `bytes=${bytes}-`, 'if-range': etag };
  const { answer, name } = await followRedirects(url, options, range);
  const { statusCode: status = 0, headers } = answer;
  if (status !== 200 && status !== 206) throw await failedAnswer(answer, name);
  if (headers.etag === etag) {
    if (status === 200) return { body: answer, skip: bytes };
    const from = headerOf(answer, 'content-range', /^bytes \d+-/)
      ?.slice(6)
      .split('-')[0];
    if (Number(from) === bytes) return { body: answer, skip: 0 };
  }
  answer.destroy();
  return undefined;
}
