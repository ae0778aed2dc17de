import { Redis } from 'ioredis';
import { RedisLocks } from '../../lib/locks/redis.js';

/** The work with locks that this process does for a test. */
export type Scene =
  /** Takes the key for an hour, and holds it until the process is killed. */
  | 'hold'
  /** Ends when the key is held. */
  | 'see'
  /** Takes and releases the key 20 times, and sees that nobody else has it meanwhile. */
  | 'contend'
  /** Closes while it holds a key, and waits for it again. Nothing else ends the process. */
  | 'close'
  /** Loses the connection, which is the host's, while it holds a key and waits for it. Nothing else ends the process. */
  | 'disconnect';

const [url = '', scene] = process.argv.slice(2);
const KEY = 'key';

switch (scene) {
  case 'hold': {
    await new RedisLocks({ url, leaseTime: 60 * 60_000 }).acquire(KEY);
    process.send?.('held');
    break;
  }
  case 'see': {
    const client = new Redis(url);
    while ((await client.keys('*')).length === 0) await client.ping();
    await client.quit();
    break;
  }
  case 'contend': {
    const client = new Redis(url);
    const locks = new RedisLocks({ client, retryInterval: 2 });
    for (let round = 0; round < 20; round += 1) {
      const lock = await locks.acquire(KEY);
      if ((await client.incr('inside')) !== 1) throw new Error('not alone');
      if ((await client.decr('inside')) !== 0) throw new Error('not alone');
      await lock.release();
    }
    await locks.close();
    await client.quit();
    break;
  }
  case 'close': {
    const locks = new RedisLocks({ url, leaseTime: 60_000 });
    const lock = await locks.acquire(KEY);
    const waiting = locks.acquire(KEY).catch((error) => process.send?.(error.code));
    await locks.close();
    await waiting;
    process.send?.(lock.signal.reason.code);
    process.disconnect();
    break;
  }
  case 'disconnect': {
    const client = new Redis(url);
    const locks = new RedisLocks({ client, leaseTime: 60_000, responseTimeout: 9000 });
    await locks.acquire(KEY);
    const patient = new RedisLocks({ client, retryInterval: 60_000, responseTimeout: 9000 });
    patient.acquire(KEY).catch(() => {});
    await client.ping();
    client.disconnect();
    process.disconnect();
    break;
  }
}
