import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';

/*
 * Calls of the host app's listeners and loggers. Their errors become warnings of the process: they
 * must neither fail our work nor end the process.
 */

/** @param what names the called function in the warning: "a logger". */
export function callHost(what: string, call: () => unknown): void {
  const report = (error: unknown) => {
    process.emitWarning(`${what} of the host failed`, { detail: inspect(error) });
  };
  try {
    const result = call();
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}

/** Makes an emitter whose listeners can't disturb each other, nor the emitting code. */
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
