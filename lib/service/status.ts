import pLimit from 'p-limit';
import { defaultSnapshot } from '../artifact/id.js';
import type { RepositoryId } from '../repository.js';
import type { BaseParts } from './context.js';
import type { RepositoryStatus } from './service-status.js';
import { isCurrent } from './staleness.js';

/** Requests to the store that run at once. */
const CONCURRENT_REQUESTS = 16;

export async function listRepositories(
  parts: BaseParts,
  signal: AbortSignal | undefined,
): Promise<RepositoryStatus[]> {
  await parts.mirrors.scanned();
  const limit = pLimit(CONCURRENT_REQUESTS);
  return await Promise.all(
    knownRepositories(parts).map((each) => limit(() => statusOf(each, parts, signal))),
  );
}

/** All repositories that have a mirror, or that clients have requested. */
export function knownRepositories({
  mirrors,
  known,
}: Pick<BaseParts, 'mirrors' | 'known'>): RepositoryId[] {
  const mirrored = mirrors.list().map(({ repository }) => repository);
  const others = known.list().filter((each) => mirrors.find(each) === undefined);
  return [...mirrored, ...others];
}

export async function statusOf(
  repository: RepositoryId,
  { mirrors, policy, known, stored }: BaseParts,
  signal: AbortSignal | undefined,
): Promise<RepositoryStatus> {
  const id = defaultSnapshot(repository);
  const found = await stored.stat(id, { signal });
  const mirror = mirrors.find(repository);
  const upstream = known.stateOf(repository);
  return {
    repository,
    mirror:
      mirror === undefined || mirror.state === 'empty'
        ? undefined
        : {
            state: mirror.state,
            bytes: mirror.bytes,
            packs: mirror.revision?.packs.length ?? 0,
            commit: mirror.revision?.head.oid,
          },
    stored: found?.artifact,
    isCurrent: found !== undefined && isCurrent(id, found, upstream, policy),
    requestedAt: upstream.requestedAt?.date,
    checkedAt: upstream.checkedAt?.date,
    error: upstream.failure,
  };
}
