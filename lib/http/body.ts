import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { SnapshotError } from '../errors.js';
import { RecyclingBody } from '../stores/recycling-body.js';
import { Drain } from './drain.js';
import type { RequestRecord } from './request-record.js';

export interface BodyOptions {
  /** Bytes that the body must have; `undefined`: any number. */
  length: number | undefined;
  /** Milliseconds within which the client must take some of the written bytes. */
  clientIdleTimeout: number;
  /** Aborts when the client is gone. */
  signal: AbortSignal;
  /** Told of the bytes that are sent. */
  record: RequestRecord;
  /** Whether the caller has sent the head, and perhaps bytes before the body. Default: false. */
  hasBegun?: boolean;
}

/**
 * Sends `body` at the client's speed, then ends the response. Writes the head with the first bytes:
 * the caller can still answer an earlier failure. Rejects when the body fails, or when the client
 * leaves or stalls; the response stays open then. Destroys `body` in any case.
 *
 * A body of another length than its `Content-Length` fails: it would desynchronise a kept-alive
 * connection.
 */
export async function sendBody(
  res: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: Readable,
  { length, clientIdleTimeout, signal, record, hasBegun = false }: BodyOptions,
): Promise<void> {
  const stop = () => body.destroy();
  signal.addEventListener('abort', stop, { once: true });
  // The memory of a recycled chunk is used for other clients. The `write` of a middleware may call
  // back while it still has the chunk.
  const canRecycle = !Object.hasOwn(res, 'write');
  // Without the limit, a stalled client would keep an evicted file on the disk.
  const drain = new Drain(res, { idleTimeout: clientIdleTimeout, signal });
  try {
    signal.throwIfAborted();
    let sent = 0;
    let isBegun = hasBegun;
    // Throws if other code has begun an answer: the client must not get a mix of the two.
    const begin = () => {
      if (!isBegun) res.writeHead(status, headers);
      isBegun = true;
    };
    for await (const chunk of body) {
      begin();
      sent += chunk.length;
      if (length !== undefined && sent > length) throw wrongLength(sent, length);
      record.sent(chunk.length);
      const hasRoom = res.write(chunk, (error) => {
        if (!error && canRecycle && body instanceof RecyclingBody) body.recycle(chunk);
      });
      if (!hasRoom) await drain.next();
    }
    if (length !== undefined && sent < length) throw wrongLength(sent, length);
    begin();
    res.end();
  } finally {
    drain.close();
    signal.removeEventListener('abort', stop);
    body.destroy();
  }
}

function wrongLength(actual: number, expected: number): SnapshotError {
  return new SnapshotError('STORE_FAILED', `a body of ${expected} bytes has ${actual}`);
}
