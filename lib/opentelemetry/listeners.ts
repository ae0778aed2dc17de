import type { SnapshotEventSource, SnapshotListener } from '../events/emitter.js';
import type { SnapshotEvents } from '../events/events.js';

/** Listeners to a service, which end together. */
export class Listeners {
  readonly #events: SnapshotEventSource;
  readonly #ends: (() => void)[] = [];

  constructor(events: SnapshotEventSource) {
    this.#events = events;
  }

  on<Name extends keyof SnapshotEvents>(name: Name, listener: SnapshotListener<Name>): void {
    this.#events.on(name, listener);
    this.#ends.push(() => this.#events.off(name, listener));
  }

  end(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}
