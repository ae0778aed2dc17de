export {
  createSnapshotRouter,
  createSnapshotService,
  type SnapshotRouter,
} from './create-router.js';
export { ERROR_CODES, SnapshotError, type SnapshotErrorCode } from './errors.js';
export type { SnapshotEvents } from './events.js';
export { InProcessLocks } from './locks/in-process.js';
export type { Lock, LockRegistry } from './locks/registry.js';
export type { CloneProgress } from './mirror/fetch.js';
export type {
  Authorize,
  Credentials,
  CredentialsProvider,
  Logger,
  SnapshotOptions,
} from './options.js';
export { parseRepository, type RepositoryId } from './repository/identity.js';
export type {
  ArtifactInfo,
  ArtifactSource,
  GeneratedArtifact,
  GetOptions,
  OpenArtifactOptions,
  OpenedArtifact,
  StoredArtifact,
} from './snapshot/artifact.js';
export type { CloseOptions, SnapshotService } from './snapshot/service.js';
export { FileSystemStore, type FileSystemStoreOptions } from './stores/filesystem.js';
export { MemoryStore, type MemoryStoreOptions } from './stores/memory.js';
export type {
  ByteRange,
  Metadata,
  ObjectBody,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoreAbilities,
  StoredObject,
} from './stores/store.js';
