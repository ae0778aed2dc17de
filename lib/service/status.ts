import pLimit from 'p-limit';
import type { StoredArtifact } from '../artifact/artifact.js';
import type { SnapshotError } from '../errors.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { StoredArtifacts } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** A repository that this service has something of. Times are in milliseconds since the epoch. */
export interface RepositoryStatus {
  readonly repository: RepositoryId;
  /** `undefined` when there is no mirror. */
  readonly mirror:
    | {
        readonly state: 'cloning' | 'ready';
        /** Of its packs and their idx files. */
        readonly bytes: number;
        readonly packs: number;
        /** HEAD's commit. */
        readonly commit: string | undefined;
      }
    | undefined;
  /** The default snapshot; `undefined` when none is stored. */
  readonly stored: StoredArtifact | undefined;
  /** Whether what is stored is of the latest that is known of the upstream. */
  readonly isCurrent: boolean;
  /** When a client last asked for it; `undefined` when none did. */
  readonly askedAt: number | undefined;
  /** When the upstream was last asked, with success, by this service; `undefined` when it was not. */
  readonly checkedAt: number | undefined;
  /** What the last question to the upstream failed with. */
  readonly error: SnapshotError | undefined;
}

/** To the store, at once. */
const CONCURRENT_QUESTIONS = 16;

export interface StatusParts {
  readonly mirrors: MirrorManager;
  readonly checks: UpstreamChecks;
  readonly stored: StoredArtifacts;
}

/** All repositories of which there is a mirror, or something was asked for. */
export async function listRepositories(parts: StatusParts): Promise<RepositoryStatus[]> {
  const { mirrors, checks } = parts;
  const byKey = new Map<string, RepositoryId>();
  for (const { repository } of [...mirrors.list(), ...checks.list()]) {
    byKey.set(repositoryKey(repository), repository);
  }
  const limit = pLimit(CONCURRENT_QUESTIONS);
  return await Promise.all(
    Array.from(byKey.values(), (each) => limit(() => statusOf(each, parts))),
  );
}

async function statusOf(
  repository: RepositoryId,
  { mirrors, checks, stored }: StatusParts,
): Promise<RepositoryStatus> {
  const found = await stored.stat(repository);
  const known = checks.find(repository);
  const mirror = mirrors.find(repository);
  const state = checks.stateOf(repository);
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
    isCurrent: found !== undefined && stored.isCurrent(repository, found, state),
    askedAt: known?.askedAt?.date,
    checkedAt: known?.checkedAt?.date,
    error: known?.failure,
  };
}
