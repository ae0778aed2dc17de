import { jest } from '@jest/globals';
import type { Cleanup } from './temporary-directory.js';

/** Lets so much time pass at once, by the date and by `performance.now()`, until the test is over. Timers go on as they are. */
export function fakeDate(defer: Cleanup['defer'], milliseconds: number): void {
  setDate(defer, milliseconds);
  const { now } = performance;
  performance.now = () => now.call(performance) + milliseconds;
  // The true one is its prototype's.
  defer(() => void Reflect.deleteProperty(performance, 'now'));
}

/** Sets the date alone, forward or back, until the test is over: no time passes by that. */
export function setDate(defer: Cleanup['defer'], milliseconds: number): void {
  jest.useFakeTimers({ doNotFake: [...NOT_FAKED], now: Date.now() + milliseconds });
  defer(() => jest.useRealTimers());
}

const NOT_FAKED = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'nextTick',
  'queueMicrotask',
  'performance',
  'hrtime',
] as const;
