import type { ServerResponse } from 'node:http';

/** Milliseconds for which a client may take nothing before its stream is cut. */
const MAX_STALL = 60_000;

/**
 * One stream of server-sent events (HTML Standard, section 9.2). Nothing is queued for a client that
 * reads slowly: it misses events, and `hasMissed` says so.
 */
export class EventStream {
  readonly #res: ServerResponse;
  readonly openedAt = Date.now();
  hasMissed = false;
  /** Since when the client has not taken all that was sent; `undefined` if it has. */
  #blockedSince: number | undefined;

  constructor(res: ServerResponse) {
    this.#res = res;
    res.writeHead(200, {
      'Content-Type': 'text/event-stream',
      // `no-transform`: compression would hold events back.
      'Cache-Control': 'no-store, no-transform',
      // nginx buffers answers otherwise.
      'X-Accel-Buffering': 'no',
    });
    res.on('drain', () => {
      this.#blockedSince = undefined;
    });
    this.#write('retry: 3000\n\n');
  }

  /** @param data one line: JSON. */
  send(event: string, data: string): void {
    this.#write(`event: ${event}\ndata: ${data}\n\n`);
  }

  /** Cuts the stream of a client that has taken nothing for too long. */
  cutIfStalled(): void {
    const present = Date.now();
    if (present - (this.#blockedSince ?? present) > MAX_STALL) this.#res.destroy();
  }

  end(): void {
    this.#res.end();
  }

  #write(text: string): void {
    if (this.#res.destroyed || this.#res.writableEnded) return;
    if (this.#blockedSince !== undefined) this.hasMissed = true;
    else if (!this.#res.write(text)) this.#blockedSince = Date.now();
  }
}
