import type { Overview, RowsChanged } from '../messages.js';

/** Milliseconds between requests while there are no live updates. */
const POLL_INTERVAL = 5_000;
/** Milliseconds after which another attempt is made to get live updates. */
const RETRY_INTERVAL = 30_000;
/** Milliseconds without any event after which the stream counts as cut: proxies may hold it back. */
const SILENCE = 20_000;

export interface LiveListener {
  overviewChanged(overview: Overview): void;
  rowsChanged(change: RowsChanged): void;
  /** Everything is to be requested again. */
  poll(): void;
  /** Whether updates come as they happen. */
  connected(isLive: boolean): void;
}

/** Follows the server's events. While that does not work, asks every few seconds instead. */
export class Live {
  readonly #listener: LiveListener;
  #source: EventSource | undefined;
  #heardAt = 0;
  #triedAt = 0;

  constructor(listener: LiveListener) {
    this.#listener = listener;
    setInterval(() => this.#check(), POLL_INTERVAL);
    // A page in the background takes no connection.
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#close();
      else this.#show();
    });
    this.#open();
  }

  #show(): void {
    this.#listener.poll();
    this.#open();
  }

  #open(): void {
    this.#close();
    this.#triedAt = Date.now();
    const source = new EventSource('api/events');
    this.#source = source;
    source.addEventListener('overview', (event) => {
      this.#hear();
      this.#listener.overviewChanged(JSON.parse(event.data));
    });
    source.addEventListener('rows', (event) => {
      this.#hear();
      this.#listener.rowsChanged(JSON.parse(event.data));
    });
    source.addEventListener('heartbeat', () => this.#hear());
    source.addEventListener('error', () => {
      this.#heardAt = 0;
      this.#listener.connected(false);
    });
  }

  #hear(): void {
    const isNew = this.#heardAt === 0;
    this.#heardAt = Date.now();
    if (!isNew) return;
    this.#listener.connected(true);
    // What happened before is not among the events.
    this.#listener.poll();
  }

  #close(): void {
    this.#source?.close();
    this.#source = undefined;
    this.#heardAt = 0;
  }

  #check(): void {
    if (document.hidden || Date.now() - this.#heardAt < SILENCE) return;
    if (this.#heardAt !== 0) {
      this.#close();
      this.#listener.connected(false);
    }
    this.#listener.poll();
    // The browser itself tries again, unless the server has refused.
    const isGivenUp = this.#source === undefined || this.#source.readyState === EventSource.CLOSED;
    if (isGivenUp && Date.now() - this.#triedAt > RETRY_INTERVAL) this.#open();
  }
}
