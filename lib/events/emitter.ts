import { EventEmitter } from 'node:events';
import { callHost } from '../call-host.js';
import type { SnapshotEvents } from './events.js';

/** A listener of one event. Its result is ignored. */
export type SnapshotListener<Name extends keyof Events, Events = SnapshotEvents> = (
  event: Events[Name],
) => unknown;

/**
 * Where a host app listens to a service, or to a router. Listeners run synchronously, so they should be quick. Their
 * errors and rejections become warnings of the process, and affect nothing else.
 */
export interface SnapshotEventSource<Events = SnapshotEvents> {
  on<Name extends keyof Events & string>(
    name: Name,
    listener: SnapshotListener<Name, Events>,
  ): this;
  /** As `on`, for the next event only. */
  once<Name extends keyof Events & string>(
    name: Name,
    listener: SnapshotListener<Name, Events>,
  ): this;
  /** Ends `on` or `once` with this listener. */
  off<Name extends keyof Events & string>(
    name: Name,
    listener: SnapshotListener<Name, Events>,
  ): this;
}

/** Emits the events of a service or router. Only its `source` is the host's. */
export class SnapshotEmitter<Events = SnapshotEvents> {
  readonly source: SnapshotEventSource<Events>;
  readonly #listeners = new EventEmitter().setMaxListeners(0);

  constructor() {
    const listeners = this.#listeners;
    this.source = {
      on(name, listener) {
        listeners.on(name, listener);
        return this;
      },
      once(name, listener) {
        listeners.once(name, listener);
        return this;
      },
      off(name, listener) {
        listeners.off(name, listener);
        return this;
      },
    };
  }

  emit<Name extends keyof Events & string>(name: Name, event: Events[Name]): void {
    for (const listener of this.#listeners.rawListeners(name)) {
      callHost(`a listener to ${name}`, () => Reflect.apply(listener, this.source, [event]));
    }
  }
}
