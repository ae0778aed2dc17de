import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SnapshotError } from '../errors.js';

export interface BodyOptions {
  /** Bytes that the body must have; a body of another length fails. Default: any. */
  length?: number | undefined;
  /** Aborts when the client is gone. */
  signal: AbortSignal;
}

/**
 * Sends `body` at the client's speed, then ends the response. The head is held back until the first
 * bytes are there, so that a failure before them can still be answered. Rejects when the body fails or
 * the client goes, and leaves the response open. `body` is destroyed in any case.
 */
export async function sendBody(
  res: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: Readable,
  { length, signal }: BodyOptions,
): Promise<void> {
  const stop = () => body.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
    const first = await chunks.next();
    if (first.done === true && length !== undefined && length > 0) throw wrongLength(0, length);
    res.writeHead(status, headers);
    // `end: false` also keeps pipeline from destroying the response when the body fails, which would
    // be indistinguishable from the client's leaving.
    await pipeline(checked(first, chunks, length), res, { end: false });
    res.end();
  } finally {
    signal.removeEventListener('abort', stop);
    body.destroy();
  }
}

/** A body shorter or longer than its `Content-Length` would desynchronise a kept-alive connection. */
async function* checked(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
  length: number | undefined,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for (let next = first; next.done !== true; next = await rest.next()) {
    sent += next.value.length;
    if (length !== undefined && sent > length) throw wrongLength(sent, length);
    yield next.value;
  }
  if (length !== undefined && sent !== length) throw wrongLength(sent, length);
}

function wrongLength(actual: number, expected: number): SnapshotError {
  return new SnapshotError('STORE_FAILED', `a body of ${expected} bytes has ${actual}`);
}
