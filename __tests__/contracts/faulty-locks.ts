import type { Lock, LockRegistry } from '../../lib/locks/registry.js';

/** The faults of `FaultyLocks`, one at a time, and the tests that have to catch each. */
export const LOCK_FAULTS = {
  'never gives a free key': ['a free key is acquired at once'],
  'gives locks that are lost': ['a free key is acquired at once'],
  'gives a key only once': ['a released key is acquired again'],
  'excludes nobody': [
    'a held key is acquired only after its release',
    'only one of many contenders at a time holds the key',
  ],
  'has one lock for all keys': ['different keys do not wait for each other'],
  'ignores the case of keys': ['different keys do not wait for each other'],
  'excludes only its own callers': [
    'a key that is held in one registry is acquired in another only after its release',
  ],
  'releases whoever holds the key': ['a second release does not release the next holder'],
  'lets in one for each release': ['a release gives the key to exactly one waiter'],
  'lets in all who wait': ['only one of many contenders at a time holds the key'],
  'ignores signals that have aborted': [
    'acquire rejects with the reason of a signal that has aborted',
  ],
  'ignores signals that abort later': ['a waiter whose signal aborts is rejected with the reason'],
  'rejects with a reason of its own': [
    'acquire rejects with the reason of a signal that has aborted',
    'a waiter whose signal aborts is rejected with the reason',
  ],
  'gives the key to a waiter that left': ['a waiter that gave up does not delay the others'],
  'releases a held key when the signal aborts': [
    'a signal that aborts once the lock is held changes nothing',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type LockFault = keyof typeof LOCK_FAULTS;

/** A small correct registry, and what becomes of it with one fault. */
export class FaultyLocks implements LockRegistry {
  readonly #fault: LockFault | undefined;
  readonly #waiting: Map<string, (() => void)[]>;
  readonly #released = new Set<string>();

  constructor(fault: LockFault | undefined, waiting = new Map<string, (() => void)[]>()) {
    this.#fault = fault;
    this.#waiting = waiting;
  }

  another(): FaultyLocks {
    const own = this.#has('excludes only its own callers');
    return new FaultyLocks(this.#fault, own ? undefined : this.#waiting);
  }

  async acquire(
    name: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Lock> {
    if (signal?.aborted && !this.#has('ignores signals that have aborted')) {
      throw this.#reason(signal);
    }
    const key = this.#key(name);
    const queue = this.#waiting.get(key);
    const once = this.#has('gives a key only once') && this.#released.has(key);
    if (once || this.#has('never gives a free key')) await new Promise(() => undefined);
    if (queue === undefined) this.#waiting.set(key, []);
    else if (!this.#has('excludes nobody')) await this.#turn(queue, signal);

    const release = async () => this.#release(key);
    if (this.#has('releases a held key when the signal aborts')) {
      signal?.addEventListener('abort', release);
    }
    const lost = this.#has('gives locks that are lost');
    let held = true;
    return {
      signal: lost ? AbortSignal.abort() : new AbortController().signal,
      release: async () => {
        const again =
          this.#has('releases whoever holds the key') || this.#has('lets in one for each release');
        const releases = held || again;
        held = false;
        if (releases) await release();
      },
    };
  }

  #turn(queue: (() => void)[], signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      queue.push(resolve);
      if (this.#has('ignores signals that abort later')) return;
      signal?.addEventListener('abort', () => {
        const gone = queue.indexOf(resolve);
        const stays = this.#has('gives the key to a waiter that left');
        if (gone >= 0 && !stays) queue.splice(gone, 1);
        reject(this.#reason(signal));
      });
    });
  }

  #release(key: string): void {
    this.#released.add(key);
    const queue = this.#waiting.get(key);
    if (queue === undefined) return;
    const next = queue.splice(0, this.#has('lets in all who wait') ? queue.length : 1);
    if (next.length === 0) this.#waiting.delete(key);
    for (const enter of next) enter();
  }

  #key(name: string): string {
    if (this.#has('has one lock for all keys')) return '';
    return this.#has('ignores the case of keys') ? name.toLowerCase() : name;
  }

  #reason(signal: AbortSignal): unknown {
    return this.#has('rejects with a reason of its own') ? new Error('aborted') : signal.reason;
  }

  #has(fault: LockFault): boolean {
    return this.#fault === fault;
  }
}
