export type { SnapshotErrorCode } from '../error-codes.js';
export { SnapshotError } from '../errors.js';
export { DownloadError } from './download-error.js';
export { extractSnapshot } from './extract.js';
export type {
  ExtractOptions,
  ExtractProgress,
  ExtractResult,
  RestoreOptions,
  RestoreProgress,
  RestoreResult,
} from './options.js';
export { restoreSnapshot } from './restore.js';
