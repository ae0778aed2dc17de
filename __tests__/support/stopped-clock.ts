import { type Clock, install } from '@sinonjs/fake-timers';
import type { Cleanup } from './temporary-directory.js';

/**
 * Stops timers and `performance.now()` until the test moves them, so that slow work makes no difference. Programs,
 * files and sockets go on.
 */
export function stopClock(defer: Cleanup['defer']): Clock {
  const clock = install({
    toFake: ['setTimeout', 'clearTimeout', 'performance'],
    shouldClearNativeTimers: true,
  });
  defer(() => clock.uninstall());
  return clock;
}
