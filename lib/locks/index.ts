export { SnapshotError, type SnapshotErrorCode } from '../errors.js';
export { MachineLocks, type MachineLocksOptions } from './machine.js';
export { MemoryLocks } from './memory.js';
export type { DisposableLock, Lock, LockRegistry } from './registry.js';
export { type FallbackOptions, withFallback } from './with-fallback.js';
