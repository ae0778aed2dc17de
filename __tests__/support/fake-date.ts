import { type Clock, install } from '@sinonjs/fake-timers';
import type { Cleanup } from './temporary-directory.js';

/** Moves the date and `performance.now()` forward, in milliseconds, until the test is over. Timers are not moved. */
export function fakeDate(defer: Cleanup['defer'], milliseconds: number): void {
  setDate(defer, milliseconds);
  const { now } = performance;
  performance.now = () => now.call(performance) + milliseconds;
  // The true one is its prototype's.
  defer(() => void Reflect.deleteProperty(performance, 'now'));
}

let clock: Clock | undefined;

/**
 * Moves only the date, forward or back, until the test is over. May be called again.
 *
 * @returns what sets it right before that.
 */
export function setDate(defer: Cleanup['defer'], milliseconds: number): () => void {
  const now = Date.now() + milliseconds;
  if (clock === undefined) clock = install({ toFake: ['Date'], now });
  else clock.setSystemTime(now);
  const setRight = () => {
    clock?.uninstall();
    clock = undefined;
  };
  defer(setRight);
  return setRight;
}
