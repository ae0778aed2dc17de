export type {
  ArtifactInfo,
  BuiltArtifact,
  DownloadHeaders,
  EnsuredRefs,
  OpenedArtifact,
  OpenStoredOptions,
  StatStoredOptions,
  StoredArtifact,
  WantedRefs,
} from './artifact/artifact.js';
export type { ArtifactId, BundleId, SnapshotId } from './artifact/id.js';
export type { Authorize, AuthorizeContext, Denial } from './config/authorize.js';
export type {
  BasicCredentials,
  Credentials,
  CredentialsContext,
  CredentialsProvider,
} from './config/credentials.js';
export type {
  Logger,
  RouterOptions,
  ServiceOptions,
  SnapshotOptions,
} from './config/options.js';
export {
  createSnapshotRouter,
  createSnapshotService,
  type MountOptions,
  type SnapshotRouter,
} from './create-router.js';
export { ERROR_CODES, SnapshotError, type SnapshotErrorCode } from './errors.js';
export type { SnapshotEventSource, SnapshotListener } from './events/emitter.js';
export type {
  EvictedEvent,
  EvictionFailedEvent,
  HitEvent,
  MirrorCorruptedEvent,
  MirrorEvictedEvent,
  MirrorSeedFailedEvent,
  MissEvent,
  RepositoryForgottenEvent,
  SnapshotEvents,
} from './events/events.js';
export type {
  JobEndedEvent,
  JobInfo,
  JobKind,
  JobProgressEvent,
  JobResults,
  JobStartedEvent,
} from './events/job-events.js';
export {
  createWebhookHandler,
  type PushListener,
  type WebhookOptions,
} from './http/webhook/webhook-handler.js';
export { MemoryLocks } from './locks/memory.js';
export type { Lock, LockRegistry } from './locks/registry.js';
export { parseRepository, type RepositoryId } from './repository.js';
export type { CloseOptions, SnapshotService } from './service/snapshot-service.js';
export type { ServiceStats } from './service/stats.js';
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
