import { type Clock, install } from '@sinonjs/fake-timers';
import type { Cleanup } from './temporary-directory.js';

/**
 * Timers wait, and `performance.now()` stands still, until the test moves them: what it does may take as long as it
 * takes. Programs, files and sockets go on.
 */
export function stopClock(defer: Cleanup['defer']): Clock {
  const clock = install({
    toFake: ['setTimeout', 'clearTimeout', 'performance'],
    shouldClearNativeTimers: true,
  });
  defer(() => clock.uninstall());
  return clock;
}
