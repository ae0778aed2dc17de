import { once } from 'node:events';
import type { Redis } from 'ioredis';
import type { RedisLocksOptions } from '../../lib/locks/redis.js';

/** Counts the commands of a registry on their way to Redis. */
export class WatchedClient {
  /** For `RedisLocks`. */
  readonly client: RedisLocksOptions['client'];
  /** Attempts to take a key. */
  sets = 0;
  mostSetsAtOnce = 0;
  /** Renewals and releases. */
  scripts = 0;
  answeredScripts = 0;
  #setsAtOnce = 0;
  #failures = 0;
  readonly #answered = new EventTarget();

  constructor(redis: Redis) {
    const answered = () => this.#answered.dispatchEvent(new Event('answered'));
    const set = async (...args: Parameters<Redis['set']>) => {
      this.sets += 1;
      this.#setsAtOnce += 1;
      this.mostSetsAtOnce = Math.max(this.mostSetsAtOnce, this.#setsAtOnce);
      const result = await redis.set(...args);
      this.#setsAtOnce -= 1;
      answered();
      return result;
    };
    const scriptAnswered = <T>(result: T) => {
      this.answeredScripts += 1;
      answered();
      return result;
    };
    const evalsha = async (...args: Parameters<Redis['evalsha']>) => {
      this.scripts += 1;
      if (this.#failures-- > 0) throw new Error('the connection broke');
      return scriptAnswered(await redis.evalsha(...args));
    };
    // Where the server does not know the script yet.
    const evaluate = async (...args: Parameters<Redis['eval']>) =>
      scriptAnswered(await redis.eval(...args));
    this.client = Object.create(redis, {
      set: { value: set },
      evalsha: { value: evalsha },
      eval: { value: evaluate },
    });
  }

  /** Makes the next `count` renewals and releases fail before they are sent. */
  failScripts(count: number): void {
    this.#failures = count;
  }

  /** Resolves when this holds after an answer. */
  async until(condition: (watched: this) => boolean): Promise<void> {
    while (!condition(this)) await once(this.#answered, 'answered');
  }
}
