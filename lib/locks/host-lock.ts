import { abortable } from '../async/abort.js';
import { orLater } from '../async/deadline.js';
import { callHost } from '../call-host.js';
import type { Lock, LockRegistry } from './registry.js';

// How the service uses locks of the host app. A registry may hang or fail.

/** Milliseconds to wait for the release of a lock. */
const PATIENCE = 10_000;

/** As `acquire`, but never waits longer than its signal. Releases a lock that comes later. */
export async function acquireLock(
  locks: LockRegistry,
  key: string,
  signal: AbortSignal,
): Promise<Lock> {
  return await abortable(signal, async () => locks.acquire(key, { signal }), releaseLock);
}

/**
 * Never rejects: the guarded work has succeeded or failed before. A failure is a warning of the
 * process.
 */
export async function releaseLock(lock: Lock): Promise<void> {
  const releasing = (async () => lock.release())();
  callHost('a lock', () => releasing);
  await orLater(releasing, PATIENCE).catch(() => {});
}
