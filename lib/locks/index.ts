export type { SignalOptions } from '../async/signal-options.js';
export type { SnapshotErrorCode } from '../error-codes.js';
export { SnapshotError } from '../errors.js';
export { MemoryLocks } from './memory.js';
export type { DisposableLock, Lock, LockRegistry } from './registry.js';
export { withFallback } from './with-fallback.js';
