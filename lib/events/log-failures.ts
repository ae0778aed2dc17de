import type { Logger } from '../config/logger.js';
import { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { SnapshotEventSource } from './emitter.js';

/** The fields of a failure in the log. */
export function failureFields(error: SnapshotError, repository: RepositoryId | undefined) {
  return { code: error.code, repository: repository && repositoryKey(repository), err: error };
}

/** Logs failures that no request shows, but that the operator should know. */
export function logFailures(events: SnapshotEventSource, logger: Logger): void {
  events.on('jobEnded', ({ kind, repository, error }) => {
    if (error === undefined || SnapshotError.is(error, 'ABORTED', 'CLOSED')) return;
    const fields = failureFields(error, repository);
    if (kind === 'store') logger.error(fields, 'artifact not stored');
    if (kind === 'repack') logger.warn(fields, 'mirror not repacked');
  });
  events.on('evictionFailed', ({ repository, error }) => {
    logger.error(failureFields(error, repository), 'artifacts not evicted');
  });
  events.on('mirrorSeedFailed', ({ repository, error }) => {
    logger.warn(failureFields(error, repository), 'stored snapshot not used for a mirror');
  });
  events.on('mirrorCorrupted', ({ repository, error }) => {
    logger.error(failureFields(error, repository), 'mirror corrupted');
  });
  events.on('repositoryForgotten', ({ repository, error }) => {
    const name = repositoryKey(repository);
    if (error === undefined) logger.warn({ repository: name }, 'refused repository deleted');
    else logger.error(failureFields(error, repository), 'refused repository not deleted');
  });
}
