export type { Authorize, AuthorizeContext, Denial } from './config/authorize.js';
export type { RequestedArtifact } from './config/requested-artifact.js';
export type { Offload, RouterOptions, SnapshotOptions } from './config/router-options.js';
export { createSnapshotRouter, type MountOptions, type SnapshotRouter } from './create-router.js';
export type {
  RequestEndedEvent,
  RequestOutcome,
  RouterEvents,
} from './events/router-events.js';
export { createHealthRouter, type HealthSource } from './http/health-router.js';
export type { PushListener, WebhookOptions } from './http/webhook/options.js';
export { createWebhookHandler } from './http/webhook/webhook-handler.js';
export { MemoryLocks } from './locks/memory.js';
export * from './service/index.js';
export { FileSystemStore } from './stores/filesystem/filesystem-store.js';
export { MemoryStore } from './stores/memory.js';
export { TieredStore } from './stores/tiered/tiered-store.js';
