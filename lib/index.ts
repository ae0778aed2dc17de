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
export type {
  Authorize,
  Credentials,
  CredentialsProvider,
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
export type { SnapshotEvents } from './events/events.js';
export {
  createWebhookHandler,
  type PushListener,
  type WebhookOptions,
} from './http/webhook/webhook-handler.js';
export { MemoryLocks } from './locks/memory.js';
export { parseRepository, type RepositoryId } from './repository.js';
export type { CloseOptions, SnapshotService } from './service/snapshot-service.js';
export type { ServiceStats } from './service/stats.js';
export type { RepositoryStatus } from './service/status.js';
export { FileSystemStore } from './stores/filesystem/filesystem-store.js';
export { MemoryStore } from './stores/memory.js';
export { TieredStore } from './stores/tiered/tiered-store.js';
export type { FetchProgress } from './upstream/fetch-progress.js';
