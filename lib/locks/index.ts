export type { SignalOptions } from '../async/signal-options.js';
export type { SnapshotErrorCode } from '../error-codes.js';
export { SnapshotError } from '../errors.js';
export { MachineLocks, type MachineLocksOptions } from './machine.js';
export { MemoryLocks } from './memory.js';
export type { DisposableLock, Lock, LockRegistry } from './registry.js';
export { type FallbackOptions, withFallback } from './with-fallback.js';
