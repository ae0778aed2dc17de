import { type RepositoryId, repositoryKey } from '../repository.js';
import type { RepositoryStatus } from '../service/service-status.js';
import type { Counts } from './activity.js';
import { failureOf } from './failure.js';
import type { RepositoryRow, RepositoryState, RowActivity } from './messages.js';

/** The row of a repository: its status, and what has happened since the page was made. */
export function rowOf(
  status: RepositoryStatus,
  counts: Counts,
  activity: RowActivity | undefined,
): RepositoryRow {
  const { mirror, stored } = status;
  const failure = counts.failure ?? (status.error && failureOf(status.error, 'fetch'));
  return {
    name: repositoryKey(status.repository),
    state: failure === undefined ? stateOf(status) : 'failing',
    activity,
    commit: stored?.commit ?? mirror?.commit,
    storedAt: stored?.storedAt,
    size: stored?.size,
    mirrorBytes: mirror?.bytes,
    packs: mirror?.packs,
    hits: counts.hits,
    misses: counts.misses,
    requestedAt: status.requestedAt,
    checkedAt: status.checkedAt,
    failure,
  };
}

function stateOf({ mirror, stored, isCurrent }: RepositoryStatus): RepositoryState {
  if (stored !== undefined) return isCurrent ? 'current' : 'stale';
  return mirror?.state === 'ready' ? 'mirrored' : 'absent';
}

/** Whether there is anything to show of a repository that the service may have forgotten. */
export function isKnown({ mirror, stored, requestedAt }: RepositoryStatus): boolean {
  return mirror !== undefined || stored !== undefined || requestedAt !== undefined;
}

/** A status of which nothing is known yet. */
export function unknownStatus(repository: RepositoryId): RepositoryStatus {
  return {
    repository,
    mirror: undefined,
    stored: undefined,
    isCurrent: false,
    requestedAt: undefined,
    checkedAt: undefined,
    error: undefined,
  };
}
