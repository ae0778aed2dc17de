export type {
  ArtifactOutcome,
  BuiltArtifact,
  DownloadHeaders,
  EnsuredRefs,
  GetOptions,
  OpenedArtifact,
  OpenStoredOptions,
  StatStoredOptions,
  StoredArtifact,
  WantedRefs,
} from '../artifact/artifact.js';
export type { ArtifactId, BundleId, SnapshotId } from '../artifact/id.js';
export type { LoadCounts } from '../async/load.js';
export type { SignalOptions } from '../async/signal-options.js';
export type {
  BasicCredentials,
  Credentials,
  CredentialsContext,
  CredentialsProvider,
} from '../config/credentials.js';
export type { FreshnessOptions } from '../config/freshness-options.js';
export type { HostOptions } from '../config/host-options.js';
export type { BudgetOptions, LimitOptions } from '../config/limit-options.js';
export type { FieldsFirstLogger, Logger, MessageFirstLogger } from '../config/logger.js';
export type { ServiceOptions, SnapshotFormatOptions } from '../config/service-options.js';
export type { ConcurrencyOptions, TimeoutOptions } from '../config/work-options.js';
export { ERROR_CODES, type SnapshotErrorCode } from '../error-codes.js';
export { SnapshotError } from '../errors.js';
export type { SnapshotEventSource, SnapshotListener } from '../events/emitter.js';
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
} from '../events/events.js';
export type {
  JobEndedEvent,
  JobInfo,
  JobKind,
  JobProgressEvent,
  JobResults,
  JobStartedEvent,
} from '../events/job-events.js';
export type {
  WarmFailure,
  WarmOutcome,
  WarmProgress,
  WarmSummary,
} from '../events/warm-events.js';
export type { LockRegistry } from '../locks/registry.js';
export { parseRepository, type RepositoryId } from '../repository.js';
export type { ByteRange, SnapshotStore, StoredFile } from '../stores/store.js';
export type { FetchProgress } from '../upstream/fetch-progress.js';
export type { ThreadCounts } from '../workers/thread-counts.js';
export { createSnapshotService } from './create-service.js';
export type {
  HealthCheck,
  HealthChecks,
  HealthOptions,
  HealthStatus,
  ServiceHealth,
} from './service-health.js';
export type { DiskUsage, RepositoryStatus, ServiceStats } from './service-status.js';
export type { CloseOptions, SnapshotService, WarmOptions } from './snapshot-service.js';
