import type { Log, LogFields } from '../config/logger.js';
import type { SnapshotError } from '../errors.js';
import { repositoryKey } from '../repository.js';
import type { SnapshotEventSource } from './emitter.js';
import type { JobKind } from './job-events.js';

const FAILED_JOB: Readonly<Record<JobKind, string>> = {
  clone: 'repository not cloned',
  fetch: 'repository not fetched',
  build: 'artifact not built',
  store: 'artifact not stored',
  repack: 'mirror not repacked',
};

/** The fields of a failure in the log. */
export function failureFields(error: SnapshotError, repository = error.repository): LogFields {
  return { code: error.code, repository: repository && repositoryKey(repository), err: error };
}

/** The upstream or the load causes a 503. All other failures need the operator. */
export function levelOf(error: SnapshotError): keyof Log {
  return error.httpStatus === 503 ? 'warn' : 'error';
}

/** Logs failures that the operator should know, also those that no request shows. */
export function logFailures(events: SnapshotEventSource, log: Log): void {
  events.on('jobEnded', ({ id, kind, repository, error }) => {
    if (error === undefined || error.code === 'ABORTED' || error.code === 'CLOSED') return;
    const fields = { ...failureFields(error, repository), jobId: id };
    log[kind === 'store' ? 'error' : levelOf(error)](FAILED_JOB[kind], fields);
  });
  events.on('evictionFailed', ({ repository, error }) => {
    log.error('artifacts not evicted', failureFields(error, repository));
  });
  events.on('mirrorSeedFailed', ({ repository, error }) => {
    log.warn('stored snapshot not used for a mirror', failureFields(error, repository));
  });
  events.on('mirrorCorrupted', ({ repository, error }) => {
    log.error('mirror corrupted', failureFields(error, repository));
  });
  events.on('repositoryForgotten', ({ repository, error }) => {
    const name = repositoryKey(repository);
    if (error === undefined) log.warn('refused repository deleted', { repository: name });
    else log.error('refused repository not deleted', failureFields(error, repository));
  });
  events.on('warmed', ({ failures }) => {
    const [first] = failures;
    if (first === undefined) return;
    const { artifact, error } = first;
    log.warn('some artifacts not warmed up', failureFields(error, artifact.repository));
  });
}
