import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { abortable } from '../async/abort.js';
import type { FailureCache } from '../async/failure-cache.js';
import { retry } from '../async/retry.js';
import type { WorkLimits } from '../config/options.js';
import { deserializeError, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import { Job } from '../events/job.js';
import { renameUnlessTaken } from '../fs/replace.js';
import { removeTree, temporaryName } from '../fs/temporary.js';
import { totalsOf } from '../pack/ingest.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { FetchProgress } from '../upstream/fetch-progress.js';
import { tellProgress } from './clone-progress.js';
import { writeConfig } from './disk/git-view.js';
import { publish } from './disk/publish.js';
import { MAX_ATTEMPTS, type MirrorRevision } from './disk/revision.js';
import { readRevision } from './disk/revision-file.js';
import type { DiskRoom } from './disk-room.js';
import type { JobOptions, JobRunner } from './job-runner.js';
import type { CloneResult } from './jobs/clone.js';
import type { Mirror } from './mirror.js';

/** The stored snapshot of a whole repository. */
export interface StoredSnapshot {
  readonly body: Readable;
  /** Called when the snapshot turns out to be damaged. */
  damaged(): void;
}

export interface StoredSnapshots {
  /** `undefined` when none is stored. */
  open(repository: RepositoryId, signal: AbortSignal): Promise<StoredSnapshot | undefined>;
}

export interface CloneParts {
  readonly jobs: JobRunner;
  readonly events: SnapshotEmitter;
  /** A repository whose clone failed is not cloned again for a while. */
  readonly failures: FailureCache;
  readonly snapshots: StoredSnapshots;
  readonly room: DiskRoom;
  readonly limits: WorkLimits;
  /** Milliseconds that the store may send no bytes of a snapshot. */
  readonly idleTimeout: number;
}

/**
 * Clones a mirror in a temporary directory, which is renamed at the end. Fetches only the objects
 * that the stored snapshot lacks.
 *
 * @returns the mirror's first revision, or the current one if another process was faster.
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`;
 * also a remembered failure.
 */
export async function clone(
  parts: CloneParts,
  mirror: Mirror,
  options: JobOptions,
): Promise<MirrorRevision> {
  const { events, failures, room } = parts;
  const { repository } = mirror;
  const key = repositoryKey(repository);
  failures.throwIfRemembered(key);
  const job = new Job(events, { kind: 'clone', repository, artifact: undefined });
  try {
    const revision = await room.retry(() => attempt(parts, mirror, options, job));
    failures.forget(key);
    return revision;
  } catch (cause) {
    const failure = toSnapshotError(cause, repository);
    const told = tellProgress(failure, mirror.cloneProgress, { hasEnded: true });
    // A page in the place of the repository, such as one about maintenance, costs no download.
    const mayLast = failure.code !== 'UPSTREAM_INVALID' || mirror.cloneProgress !== undefined;
    const error = failures.remember(key, told, { mayLast });
    job.fail(error);
    throw error;
  } finally {
    mirror.cloneProgress = undefined;
  }
}

async function attempt(
  parts: CloneParts,
  mirror: Mirror,
  options: JobOptions,
  job: Job<'clone'>,
): Promise<MirrorRevision> {
  const { jobs, events } = parts;
  const { repository, directory } = mirror;
  const temporary = join(dirname(directory), temporaryName('clone'));
  const archive = join(dirname(directory), temporaryName('snapshot'));
  let snapshot: StoredSnapshot | undefined;
  try {
    mirror.cloneProgress = undefined; // an earlier attempt may have had some
    const reported = {
      queue: () => job.queue(),
      start: () => job.start(),
      progress: (progress: FetchProgress) => {
        if (progress.kind === 'pack') mirror.cloneProgress = progress;
        job.progress(progress);
      },
    };
    const running = { ...options, job: reported };
    const result = await jobs.run(repository, 'clone', running, async (signal) => {
      await mkdir(temporary, { recursive: true });
      snapshot = await copySnapshot(parts, repository, archive, signal);
      const task = await jobs.upstreamTask(repository, signal);
      await writeConfig(temporary, task.upstreamUrl);
      return { kind: 'clone', ...task, directory: temporary, snapshot: snapshot && archive };
    });
    const revision = await complete(mirror, temporary, result);
    const { restored, restoreFailure, snapshotIsDamaged, fetched } = result;
    if (restoreFailure !== undefined) {
      events.emit('mirrorSeedFailed', { repository, error: deserializeError(restoreFailure) });
    }
    if (snapshotIsDamaged) snapshot?.damaged();
    job.succeed({ ...totalsOf(fetched), seededBytes: totalsOf(restored).packBytes });
    return revision;
  } finally {
    await removeTree(temporary);
    await rm(archive, { force: true });
  }
}

/** Copies the stored snapshot to a file; `undefined` when there is none or the copy fails. */
async function copySnapshot(
  { snapshots, idleTimeout, events }: CloneParts,
  repository: RepositoryId,
  path: string,
  signal: AbortSignal,
): Promise<StoredSnapshot | undefined> {
  try {
    const open = () => snapshots.open(repository, signal);
    const snapshot = await abortable(signal, open, (late) => late?.body.destroy());
    if (snapshot !== undefined) await writeBody(snapshot.body, path, idleTimeout, signal);
    return snapshot;
  } catch (cause) {
    await rm(path, { force: true });
    signal.throwIfAborted();
    events.emit('mirrorSeedFailed', { repository, error: toSnapshotError(cause, repository) });
    return undefined;
  }
}

/** @param idleTimeout the most milliseconds that the store may send no bytes. */
async function writeBody(
  body: Readable,
  path: string,
  idleTimeout: number,
  signal: AbortSignal,
): Promise<void> {
  const stalled = new SnapshotError('STORE_FAILED', `nothing was sent for ${idleTimeout} ms`);
  const timer = setTimeout(() => body.destroy(stalled), idleTimeout);
  body.on('data', () => timer.refresh());
  const writing = pipeline(body, createWriteStream(path, { flags: 'wx' }), { signal });
  await writing.finally(() => clearTimeout(timer));
}

/** Publishes the first revision of a clone, and moves the clone to the mirror's place. */
async function complete(
  { repository, directory }: Mirror,
  temporary: string,
  { restored, fetched, head, digest, isConnected, leavesGarbage }: CloneResult,
): Promise<MirrorRevision> {
  await publish(temporary, () => ({
    repository,
    clone: randomBytes(8).toString('hex'),
    packs: [...restored, ...fetched].map(({ name }) => name),
    head,
    digest,
    pinned: { commits: [], packs: [] },
    garbageSince: leavesGarbage ? Date.now() : undefined,
    prunings: 0,
    isConnected,
  }));
  const attempt = async () => {
    // Another process may have been faster. Use its mirror, if it is still there.
    await renameUnlessTaken(temporary, directory);
    return await readRevision(directory);
  };
  const exhausted = () => new SnapshotError('INTERNAL', `${directory} is in the way of a mirror`);
  return await retry(MAX_ATTEMPTS, attempt, exhausted);
}
