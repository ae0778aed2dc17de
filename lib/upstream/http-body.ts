import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { limitExceeded, SnapshotError } from '../errors.js';

/**
 * Decodes a body. Requests name no acceptable coding, so the server may choose one (RFC 9110,
 * 12.5.3).
 *
 * @throws SnapshotError `UPSTREAM_INVALID` for a coding other than gzip; the body is discarded.
 */
export function decodeBody(body: Readable, coding = 'identity', where: string): Readable {
  if (/^identity$/i.test(coding)) return body;
  // The errors of both streams reach the reader of the result.
  if (/^(?:x-)?gzip$/i.test(coding)) return pipeline(body, createGunzip(), () => {});
  discardBody(body);
  throw new SnapshotError('UPSTREAM_INVALID', `${where} uses an unknown content coding`);
}

/** Ends a body that has no reader any more, and its connection. */
export function discardBody(body: Readable): void {
  body.on('error', () => {});
  body.destroy(new SnapshotError('ABORTED', 'the rest of the answer was given up'));
}

/** As `limitBytes`, but `return()` closes the connection, also before the first `next()`. */
export function iterateBody(
  body: Readable,
  maxBytes: number,
  failure: (error: unknown) => unknown,
): AsyncIterableIterator<Uint8Array> {
  const chunks = limitBytes(body, maxBytes, failure);
  return {
    next: () => chunks.next(),
    // A generator's own return() waits for a pending next(), and does nothing before the first one.
    return() {
      discardBody(body);
      return chunks.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * Yields the chunks of a source.
 *
 * @param failure turns an error of the source into the error to throw.
 * @throws SnapshotError `LIMIT_EXCEEDED` when there are more than `maxBytes`.
 */
export async function* limitBytes(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  failure = (error: unknown) => error,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of source) {
      received += chunk.length;
      if (received > maxBytes) {
        throw limitExceeded('maxRefsBytes', `the answer has more than ${maxBytes} bytes`);
      }
      yield chunk;
    }
  } catch (error) {
    throw failure(error);
  }
}
