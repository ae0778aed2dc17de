import { EventEmitter } from 'node:events';
import { callHost } from '../call-host.js';

/** Makes an emitter whose listeners can't disturb each other or the emitting code. */
export function hostEvents<Events extends Record<keyof Events, unknown[]>>(): EventEmitter<Events> {
  const events = new EventEmitter<Events>();
  type Name = Parameters<typeof events.rawListeners>[0];
  const emit = (name: Name, ...args: unknown[]): boolean => {
    const listeners = events.rawListeners(name);
    for (const listener of listeners) {
      callHost(`a listener to ${String(name)}`, () => Reflect.apply(listener, events, args));
    }
    return listeners.length > 0;
  };
  return Object.defineProperty(events, 'emit', { value: emit });
}
