import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SnapshotError } from '../errors.js';

/**
 * Undoes the content coding of a body. Requests ask for none, and then the server may choose one
 * (RFC 9110, 12.5.3).
 *
 * @throws SnapshotError `UPSTREAM_INVALID` for a coding other than gzip; the body is discarded.
 */
export function decodeBody(
  body: Readable,
  coding: string | string[] = 'identity',
  where: string,
): Readable {
  switch (String(coding).toLowerCase()) {
    case 'identity':
      return body;
    case 'gzip':
    case 'x-gzip':
      // The errors of both streams reach the reader of the result.
      return pipeline(body, createGunzip(), () => {});
    default:
      discardBody(body);
      throw new SnapshotError('UPSTREAM_INVALID', `${where} uses an unknown content coding`);
  }
}

/** Ends a body that has no reader any more, and its connection. */
export function discardBody(body: Readable): void {
  body.on('error', () => {});
  body.destroy(new SnapshotError('ABORTED', 'the rest of the answer was given up'));
}

/**
 * Iterates over the bytes of a body. Reads from the socket no faster than the consumer. `return()`
 * closes the connection, also before the first `next()`.
 *
 * @param maxBytes limit; a longer body fails with a `SnapshotError` `LIMIT_EXCEEDED`.
 * @param failure turns an error of the stream into the error to throw.
 */
export function iterateBody(
  body: Readable,
  maxBytes: number,
  failure: (error: unknown) => unknown,
): AsyncIterableIterator<Uint8Array> {
  const chunks = limitedChunks(body, maxBytes, failure);
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

async function* limitedChunks(
  body: Readable,
  maxBytes: number,
  failure: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, undefined, undefined> {
  try {
    yield* limitBytes(body, maxBytes);
  } catch (error) {
    throw failure(error);
  }
  return undefined;
}

/** Passes bytes on. @throws SnapshotError `LIMIT_EXCEEDED` when there are more than `maxBytes`. */
export async function* limitBytes(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const chunk of body) {
    received += chunk.length;
    if (received > maxBytes) {
      throw new SnapshotError('LIMIT_EXCEEDED', `the answer has more than ${maxBytes} bytes`);
    }
    yield chunk;
  }
}
