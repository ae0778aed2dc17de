import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';
import { invalidRequest, SnapshotError } from '../errors.js';

/** Whether other middleware, such as a body parser, has read the body. */
export function bodyWasRead(req: IncomingMessage): boolean {
  return req.readableEnded;
}

export interface ReadBodyOptions {
  /** Called with the length of each chunk before it is kept. */
  take?: (bytes: number) => void;
  /** Ends the reading. The rest of the body is discarded. */
  signal?: AbortSignal;
}

/**
 * Reads the body as the client sent it. `undefined`: it has more than `maxBytes`; memory never
 * holds more. Discards the rest as it arrives, because the next request on the connection follows
 * it. Node's `requestTimeout` limits how long that takes.
 *
 * @throws SnapshotError `ABORTED` when the client leaves early; the error of `take`; the signal's
 * reason.
 */
export function readBody(
  req: IncomingMessage,
  maxBytes: number,
  { take, signal }: ReadBodyOptions = {},
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    // Node discards an unread body after the answer.
    if (Number(req.headers['content-length']) > maxBytes) return resolve(undefined);
    const parts: Buffer[] = [];
    let size = 0;
    const onData = (part: Buffer) => {
      size += part.length;
      if (size > maxBytes) return settle(() => resolve(undefined));
      try {
        take?.(part.length);
      } catch (error) {
        return settle(() => reject(error));
      }
      parts.push(part);
    };
    const settle = (how: () => void) => {
      stopWatching();
      req.off('data', onData);
      req.on('error', () => {}); // the rest is discarded
      req.resume();
      how();
    };
    const stopWatching = finished(req, { writable: false, signal }, (cause) => {
      if (!cause) settle(() => resolve(Buffer.concat(parts, size)));
      else settle(() => reject(signal?.aborted ? signal.reason : gone(cause)));
    });
    req.on('data', onData);
  });
}

/** @throws SnapshotError `INVALID_REQUEST`, whose message names the text. */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalidRequest(`${name} is not JSON`, cause);
  }
}

function gone(cause: unknown): SnapshotError {
  return new SnapshotError('ABORTED', 'the client left before the end of its request', { cause });
}
