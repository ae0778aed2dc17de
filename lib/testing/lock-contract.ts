import assert from 'node:assert/strict';
import { z } from 'zod';
import { callback, checkOptions, milliseconds } from '../check-options.js';
import type { Lock, LockRegistry } from '../locks/registry.js';
import { lockRegistrySchema } from '../locks/registry-schema.js';
import { type ContractCases, type RegisterTest, registerCases } from './contract.js';
import { contractSchema } from './contract-schema.js';

/** A lock registry for one test, made by the factory. */
export interface LocksUnderTest {
  readonly locks: LockRegistry;
  /**
   * Makes another registry with the same locks, as another process would. Leave it out if only
   * callers of one registry exclude each other.
   */
  readonly another?: (() => LockRegistry | Promise<LockRegistry>) | undefined;
  /** Removes the data. Called after `locks.close()`. */
  readonly cleanup?: (() => unknown) | undefined;
}

/** Options of `lockContract`. */
export interface LockContractOptions {
  /** Registers each test: `test` of your runner. */
  readonly test: RegisterTest;
  /** Called once for each test. */
  readonly factory: () => LocksUnderTest | Promise<LocksUnderTest>;
  /**
   * Milliseconds that a test waits for a lock that should be free.
   *
   * @default 5_000
   */
  readonly timeout?: number | undefined;
}

/** An `acquire` that fails instead of waiting for ever. */
type Acquire = (key: string, signal?: AbortSignal) => Promise<Lock>;

interface Subject extends LocksUnderTest {
  readonly acquire: Acquire;
  readonly acquireIn: (locks: LockRegistry) => Acquire;
}

const lockContractSchema = contractSchema.extend({ timeout: milliseconds.optional() });

const locksUnderTestSchema = z.strictObject({
  locks: lockRegistrySchema,
  another: callback().optional(),
  cleanup: callback().optional(),
});

/**
 * Registers a test for each MUST of `LockRegistry` that a test can check in one process. Without
 * `another`, the test with a second registry passes without checking anything.
 *
 * @throws SnapshotError `INVALID_OPTIONS`. A test fails with it if the factory makes anything but a
 * `LocksUnderTest`.
 */
export function lockContract(options: LockContractOptions): void {
  checkOptions(lockContractSchema, options, 'lockContract');
  const { test, factory, timeout = 5000 } = options;
  const acquireIn =
    (locks: LockRegistry): Acquire =>
    (key, signal) => {
      const message = `acquire(${JSON.stringify(key)}) took more than ${timeout} ms`;
      return within(timeout, locks.acquire(key, { signal }), message);
    };
  const make = async (): Promise<Subject> => {
    const made = await factory();
    checkOptions(locksUnderTestSchema, made, "the factory's result");
    return { ...made, acquire: acquireIn(made.locks), acquireIn };
  };
  registerCases(test, cases, make, async ({ locks, cleanup }) => {
    await locks.close?.();
    await cleanup?.();
  });
}

/** Strings that a server or a careless registry takes for one another. */
const ODD_KEYS = [
  'key',
  'Key',
  'key ',
  'key/',
  'key/a',
  'a/key',
  '*',
  '../key',
  '%6bey',
  'k\u00e9y',
];

const cases: ContractCases<Subject> = {
  'a free key is acquired at once': async ({ acquire }) => {
    const lock = await acquire('key');
    assert.equal(lock.signal.aborted, false);
    await lock.release();
  },

  'a released key is acquired again': async ({ acquire }) => {
    for (let round = 0; round < 20; round += 1) await (await acquire('key')).release();
  },

  'a held key is acquired only after its release': async ({ acquire }) => {
    const events: string[] = [];
    const first = await acquire('key');
    const second = acquire('key').then((lock) => {
      events.push('acquired');
      return lock;
    });
    await roundTrip(acquire);
    events.push('released');
    await first.release();
    await (await second).release();
    assert.deepEqual(events, ['released', 'acquired']);
  },

  'different keys do not wait for each other': async ({ acquire }) => {
    const held: Lock[] = [];
    for (const key of ODD_KEYS) held.push(await acquire(key));
    for (const lock of held) await lock.release();
  },

  'only one of many contenders at a time holds the key': async ({ acquire }) => {
    let inside = 0;
    let entered = 0;
    const contend = async (index: number) => {
      const lock = await acquire('key');
      inside += 1;
      entered += 1;
      assert.equal(inside, 1, 'holders at a time');
      await roundTrip(acquire, index);
      assert.equal(inside, 1, 'holders at a time');
      inside -= 1;
      await lock.release();
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => contend(index)));
    assert.equal(entered, 20);
  },

  'a second release does not release the next holder': async ({ acquire }) => {
    const first = await acquire('key');
    await first.release();
    await first.release();
    const second = await acquire('key');
    await first.release();
    await assertHeld(acquire);
    await second.release();
  },

  'a release gives the key to exactly one waiter': async ({ acquire }) => {
    const first = await acquire('key');
    let holders = 0;
    const waiters = Array.from({ length: 3 }, async () => {
      const lock = await acquire('key');
      holders += 1;
      assert.equal(holders, 1, 'holders at a time');
      await roundTrip(acquire, holders);
      holders -= 1;
      await lock.release();
    });
    await Promise.all([first.release(), first.release(), first.release()]);
    await Promise.all(waiters);
  },

  'acquire rejects with the reason of a signal that has aborted': async ({ acquire }) => {
    const reason = new Error('too late');
    await assert.rejects(acquire('key', AbortSignal.abort(reason)), is(reason));
    await (await acquire('key')).release();
  },

  'a waiter whose signal aborts is rejected with the reason': async ({ acquire }) => {
    const holder = await acquire('key');
    const controller = new AbortController();
    const waiter = acquire('key', controller.signal);
    const reason = new Error('no longer wanted');
    const rejected = assert.rejects(waiter, is(reason));
    controller.abort(reason);
    await rejected;
    await assertHeld(acquire);
    await holder.release();
    await (await acquire('key')).release();
  },

  'a waiter that gave up does not delay the others': async ({ acquire }) => {
    const holder = await acquire('key');
    const controller = new AbortController();
    const enter = async (signal?: AbortSignal) => (await acquire('key', signal)).release();
    const before = enter();
    const leaver = assert.rejects(enter(controller.signal));
    const after = enter();
    controller.abort();
    await leaver;
    await holder.release();
    await Promise.all([before, after]);
  },

  'a key that is held in one registry is acquired in another only after its release': async ({
    acquire,
    another,
    acquireIn,
  }) => {
    const locks = await another?.();
    if (locks === undefined) return;
    try {
      const first = await acquire('key');
      await assertHeld(acquireIn(locks));
      await first.release();
      const second = await acquireIn(locks)('key');
      await assertHeld(acquire);
      await second.release();
    } finally {
      await locks.close?.();
    }
  },

  'a signal that aborts once the lock is held changes nothing': async ({ acquire }) => {
    const controller = new AbortController();
    const lock = await acquire('key', controller.signal);
    controller.abort();
    await assertHeld(acquire);
    assert.equal(lock.signal.aborted, false);
    await lock.release();
  },
};

const is = (reason: unknown) => (error: unknown) => error === reason;

/** Takes as long as acquiring a free key, so that a wrong second holder has time to enter. */
async function roundTrip(acquire: Acquire, index = 0): Promise<void> {
  const lock = await acquire(`another key ${index}`);
  await lock.release();
}

async function assertHeld(acquire: Acquire): Promise<void> {
  const controller = new AbortController();
  const entered = acquire('key', controller.signal).then(
    (lock) => lock.release().then(() => true),
    () => false,
  );
  await roundTrip(acquire);
  controller.abort();
  assert.equal(await entered, false, 'the key must still be held');
}

/** Its timer keeps the process alive, as runners may end a test when nothing is left to run. */
function within<T>(milliseconds: number, work: Promise<T>, message: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new assert.AssertionError({ message }));
    const timer = setTimeout(late, milliseconds);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
