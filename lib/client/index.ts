export { SnapshotError, type SnapshotErrorCode } from '../errors.js';
export {
  type RestoreOptions,
  type RestoreProgress,
  type RestoreResult,
  restoreSnapshot,
} from './restore.js';
