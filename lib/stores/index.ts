export type { SignalOptions } from '../async/signal-options.js';
export type { SnapshotErrorCode } from '../error-codes.js';
export { SnapshotError } from '../errors.js';
export type { Evictable } from './evictable.js';
export { FileSystemStore } from './filesystem/filesystem-store.js';
export type { FileSystemStoreOptions } from './filesystem/options.js';
export { MemoryStore } from './memory.js';
export type { MemoryStoreOptions } from './memory-options.js';
export type {
  ByteRange,
  DownloadUrlOptions,
  GetFileOptions,
  ListOptions,
  Metadata,
  OpenedObject,
  OpenOptions,
  Priority,
  PutOptions,
  SnapshotStore,
  StoredFile,
  StoredObject,
  WriteCondition,
} from './store.js';
export type { StoreFailure, TieredStoreOptions } from './tiered/options.js';
export { TieredStore } from './tiered/tiered-store.js';
