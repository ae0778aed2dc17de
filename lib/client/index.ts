export type { SnapshotErrorCode } from '../error-codes.js';
export { SnapshotError } from '../errors.js';
export { DownloadError } from './download-error.js';
export { ensureRefs } from './ensure-refs.js';
export { extractSnapshot } from './extract.js';
export type {
  ConnectionOptions,
  EnsuredRefs,
  EnsureRefsOptions,
  ExtractOptions,
  ExtractProgress,
  ExtractResult,
  OnUnsupported,
  RestoreOptions,
  RestoreOutcome,
  RestoreProgress,
  RestoreResult,
} from './options.js';
export { restoreSnapshot } from './restore.js';
