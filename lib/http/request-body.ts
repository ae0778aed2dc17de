import type { IncomingMessage } from 'node:http';
import { SnapshotError } from '../errors.js';

/** Whether somebody before us, such as a body parser, has read the body. An unread one may be empty. */
export function bodyWasRead(req: IncomingMessage): boolean {
  return req.readableEnded;
}

/**
 * Reads the body as the client sent it. `undefined`: it has more than `maxBytes`, and no more than
 * those were held in memory. The rest is discarded as it comes, so that the next request on the
 * connection is found where it begins; Node's `requestTimeout` limits for how long.
 *
 * @param take is called for bytes before they are held in memory; when it throws, this rejects with that.
 * @throws SnapshotError `ABORTED` when the client goes before the end.
 */
export function readBody(
  req: IncomingMessage,
  maxBytes: number,
  take: (bytes: number) => void = () => {},
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    // The answer goes out before the body is read; Node discards what nobody reads.
    if (Number(req.headers['content-length']) > maxBytes) return resolve(undefined);
    if (req.destroyed) return reject(gone());

    const parts: Buffer[] = [];
    let size = 0;
    const onData = (part: Buffer) => {
      size += part.length;
      if (size > maxBytes) return settle(() => resolve(undefined));
      try {
        take(part.length);
      } catch (error) {
        return settle(() => reject(error));
      }
      parts.push(part);
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(parts, size)));
    const onError = (cause: unknown) => settle(() => reject(gone(cause)));
    const onClose = () => settle(() => reject(gone()));
    const settle = (how: () => void) => {
      req.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
      req.on('error', () => {}); // what befalls the rest is of no interest
      req.resume();
      how();
    };
    req.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}

function gone(cause?: unknown): SnapshotError {
  return new SnapshotError('ABORTED', 'the client went before the end of its request', { cause });
}
