import type { IncomingMessage } from 'node:http';
import { SnapshotError } from '../errors.js';

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
 * Reads the body as the client sent it. Returns `undefined` if it has more than `maxBytes`; never
 * holds more than that in memory. Discards the rest as it arrives, because the next request on the
 * connection follows it. Node's `requestTimeout` limits how long that takes.
 *
 * @throws SnapshotError `ABORTED` when the client leaves before the end; the error that `take`
 *   throws; the signal's reason.
 */
export function readBody(
  req: IncomingMessage,
  maxBytes: number,
  { take, signal }: ReadBodyOptions = {},
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    // The answer is sent before the body arrives. Node discards an unread body.
    if (Number(req.headers['content-length']) > maxBytes) return resolve(undefined);
    if (req.destroyed) return reject(gone());

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
    const onEnd = () => settle(() => resolve(Buffer.concat(parts, size)));
    const onError = (cause: unknown) => settle(() => reject(gone(cause)));
    const onClose = () => settle(() => reject(gone()));
    const onAbort = () => settle(() => reject(signal?.reason));
    const settle = (how: () => void) => {
      req.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
      req.on('error', () => {}); // the rest is discarded
      req.resume();
      how();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    req.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}

function gone(cause?: unknown): SnapshotError {
  return new SnapshotError('ABORTED', 'the client left before the end of its request', { cause });
}
