import type { EventEmitter } from 'node:events';
import type { Logger } from '../config/logger.js';
import type { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { SnapshotEvents } from './events.js';

/** The fields of a failure in the log. */
export function failureFields(error: SnapshotError, repository: RepositoryId | undefined) {
  return { code: error.code, repository: repository && repositoryKey(repository), err: error };
}

/** Logs failures that no request shows, but that the operator should know. */
export function logFailures(events: EventEmitter<SnapshotEvents>, logger: Logger): void {
  events.on('storeFailed', ({ repository, error }) => {
    logger.error(failureFields(error, repository), 'snapshot not stored');
  });
  events.on('restoreFailed', ({ repository, error }) => {
    logger.warn(failureFields(error, repository), 'stored snapshot not usable for a mirror');
  });
  events.on('mirrorBroken', ({ repository, error }) => {
    logger.error(failureFields(error, repository), 'mirror broken');
  });
  events.on('forgotten', ({ repository, error }) => {
    const name = repositoryKey(repository);
    if (error === undefined) logger.warn({ repository: name }, 'repository refused and deleted');
    else logger.error(failureFields(error, repository), 'repository refused but not deleted');
  });
  events.on('consolidationFailed', ({ repository, error }) => {
    logger.warn(failureFields(error, repository), 'mirror not consolidated');
  });
}
