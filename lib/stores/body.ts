import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { unlessAborted } from '../async/abort.js';
import type { OpenedObject } from './store.js';

const READ_BYTES = 256 * 1024;

/**
 * Adds a listener: otherwise a body that fails before it is read would end the process. Its reader
 * still gets the error.
 */
export function withErrorListener(opened: OpenedObject | undefined): OpenedObject | undefined {
  opened?.body.on('error', () => {});
  return opened;
}

/**
 * The chunks of a body. If its reader stops early, or the signal aborts, it ends the body, even one
 * that hangs.
 *
 * @throws the error of the body; the signal's reason.
 */
export async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  let isAtEnd = false;
  try {
    while (!isAtEnd) {
      const { done, value } = await unlessAborted(chunks.next(), signal);
      if (done) isAtEnd = true;
      else yield value;
    }
  } finally {
    if (!isAtEnd) endBody(body, chunks);
  }
}

/** Ends a body that nobody will read on. Does not wait for it: it may hang. Idempotent. */
export function endBody(
  body: AsyncIterable<Uint8Array>,
  chunks = body[Symbol.asyncIterator](),
): void {
  if (body instanceof Readable) body.destroy();
  else chunks.return?.().catch(() => {});
}

/** The bytes of a file. The first read opens the file. */
export async function* fileBody(file: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* chunksOf(createReadStream(file, { highWaterMark: READ_BYTES }), signal);
}
