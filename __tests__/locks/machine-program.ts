import { subscribe } from 'node:diagnostics_channel';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MachineLocks } from '../../lib/locks/index.js';

/** The work with locks that this process does for a test. */
export type Scene =
  /** Takes the key, and holds it until the process is killed. Tells when it has lost the lock. */
  | 'hold'
  /** Waits for the key until the process is killed. */
  | 'wait'
  /** Takes and releases the key 50 times, and sees that nobody else has it meanwhile. */
  | 'contend'
  /** Nothing but a held lock, and a wait for it, could keep the process alive. */
  | 'end';

const [directory = '', scene, leaseTime] = process.argv.slice(2);
const locks = new MachineLocks({ directory, leaseTime: Number(leaseTime) });
const KEY = 'key';
// Neither a held lock nor a wait for it keeps the process alive.
const alive = setInterval(() => {}, 60_000);

switch (scene) {
  case 'hold': {
    const lock = await locks.acquire(KEY);
    lock.signal.addEventListener('abort', () => process.send?.(lock.signal.reason.code));
    process.send?.('held');
    break;
  }
  case 'wait': {
    await (await locks.acquire('another key')).release();
    // From here on, the first connection is the wait for the holder.
    subscribe('net.client.socket', () => process.send?.('waits'));
    await locks.acquire(KEY);
    process.send?.('held');
    break;
  }
  case 'contend': {
    const inside = join(directory, '..', 'inside');
    for (let round = 0; round < 50; round += 1) {
      const lock = await locks.acquire(KEY);
      writeFileSync(inside, '', { flag: 'wx' });
      await new Promise(setImmediate);
      rmSync(inside);
      await lock.release();
    }
    clearInterval(alive);
    process.disconnect();
    break;
  }
  case 'end': {
    clearInterval(alive);
    await locks.acquire(KEY);
    locks.acquire(KEY).catch(() => {});
    process.disconnect();
    break;
  }
}
