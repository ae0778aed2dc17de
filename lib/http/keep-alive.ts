import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { encodeWaitFrame } from '../archive/wait-frame.js';

export interface KeepAlive {
  /** Milliseconds before the first wait frame, and between two. */
  readonly interval: number;
  /** Of the answer, which begins with the first wait frame. */
  readonly headers: OutgoingHttpHeaders;
}

/**
 * Settles like `work`. If it takes longer than the interval, begins the answer, and sends a wait
 * frame in each interval, so that no proxy takes the connection for dead. While the client takes
 * nothing, it sends nothing more.
 */
export async function keepingAlive<T>(
  res: ServerResponse,
  { interval, headers }: KeepAlive,
  work: Promise<T>,
): Promise<T> {
  const beat = () => {
    try {
      if (!res.destroyed && !res.writableNeedDrain) {
        if (!res.headersSent) res.writeHead(200, headers);
        res.write(encodeWaitFrame());
      }
      timer = setTimeout(beat, interval);
    } catch {
      // A header or middleware of the host app is bad: the answer will fail in the same way.
    }
  };
  let timer = setTimeout(beat, interval);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
