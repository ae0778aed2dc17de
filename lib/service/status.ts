import pLimit from 'p-limit';
import type { StoredArtifact } from '../artifact/artifact.js';
import { defaultSnapshot } from '../artifact/id.js';
import type { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { BaseParts } from './context.js';
import { isCurrent } from './staleness.js';

/** The state of a repository in this service. Times are in milliseconds since the epoch. */
export interface RepositoryStatus {
  readonly repository: RepositoryId;
  /** `undefined` when there is no mirror. */
  readonly mirror:
    | {
        readonly state: 'cloning' | 'ready';
        /** The size of its packs and idx files. */
        readonly bytes: number;
        readonly packs: number;
        /** HEAD's commit. */
        readonly commit: string | undefined;
      }
    | undefined;
  /** The default snapshot; `undefined` when none is stored. */
  readonly stored: StoredArtifact | undefined;
  /** Whether the stored snapshot is current, as far as is known. */
  readonly isCurrent: boolean;
  /** When a client last requested the repository; `undefined` if no client did. */
  readonly askedAt: number | undefined;
  /** When the last successful check began; `undefined` if there was none. */
  readonly checkedAt: number | undefined;
  /** The failure of the last check; `undefined` if it succeeded. */
  readonly error: SnapshotError | undefined;
}

/** Requests to the store that run at once. */
const CONCURRENT_REQUESTS = 16;

/** All repositories that have a mirror, or that clients have requested. */
export async function listRepositories(parts: BaseParts): Promise<RepositoryStatus[]> {
  const { mirrors, known } = parts;
  const mirrored = mirrors.list().map(({ repository }) => repository);
  const all = [...mirrored, ...known.list()];
  const byKey = new Map(all.map((each) => [repositoryKey(each), each]));
  const limit = pLimit(CONCURRENT_REQUESTS);
  return await Promise.all(
    Array.from(byKey.values(), (each) => limit(() => statusOf(each, parts))),
  );
}

async function statusOf(
  repository: RepositoryId,
  { mirrors, policy, known, stored }: BaseParts,
): Promise<RepositoryStatus> {
  const id = defaultSnapshot(repository);
  const found = await stored.stat(id);
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
    askedAt: upstream.requestedAt?.date,
    checkedAt: upstream.checkedAt?.date,
    error: upstream.failure,
  };
}
