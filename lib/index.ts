export type {
  ArtifactInfo,
  ArtifactSource,
  EnsuredRefs,
  GeneratedArtifact,
  GetOptions,
  OpenArtifactOptions,
  OpenedArtifact,
  StoredArtifact,
  WantedRefs,
} from './artifact/artifact.js';
export type { ArtifactId, BundleId, SnapshotId } from './artifact/id.js';
export type { FreshnessOptions } from './config/freshness-options.js';
export type { Credentials, CredentialsProvider, HostOptions } from './config/host-options.js';
export type { BudgetOptions, LimitOptions } from './config/limit-options.js';
export type { Logger } from './config/logger.js';
export type { Authorize, RouterOptions, SnapshotOptions } from './config/router-options.js';
export type { ServiceOptions, SnapshotFormatOptions } from './config/service-options.js';
export type { ConcurrencyOptions, TimeoutOptions } from './config/work-options.js';
export {
  createSnapshotRouter,
  createSnapshotService,
  type SnapshotRouter,
} from './create-router.js';
export { ERROR_CODES, SnapshotError, type SnapshotErrorCode } from './errors.js';
export type { SnapshotEvents } from './events/events.js';
export {
  createWebhookHandler,
  type PushListener,
  type WebhookOptions,
} from './http/webhook/webhook-handler.js';
export { MemoryLocks } from './locks/memory.js';
export type { Lock, LockRegistry } from './locks/registry.js';
export { parseRepository, type RepositoryId } from './repository.js';
export type { CloseOptions, SnapshotService } from './service/service.js';
export type { RepositoryStatus } from './service/status.js';
export {
  FileSystemStore,
  type FileSystemStoreOptions,
} from './stores/filesystem/filesystem-store.js';
export { MemoryStore } from './stores/memory.js';
export type { MemoryStoreOptions } from './stores/memory-options.js';
export type {
  ByteRange,
  DownloadUrlOptions,
  ListOptions,
  Metadata,
  OpenedObject,
  OpenOptions,
  Priority,
  PutOptions,
  SignalOptions,
  SnapshotStore,
  StoredObject,
  WriteCondition,
} from './stores/store.js';
export {
  type StoreFailure,
  TieredStore,
  type TieredStoreOptions,
} from './stores/tiered/tiered-store.js';
export type { FetchProgress } from './upstream/fetch-pack.js';
