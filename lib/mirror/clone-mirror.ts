import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { deserializeError, hasCode, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import { temporaryName } from '../fs/temporary.js';
import type { IngestedPack } from '../pack/ingest.js';
import { RememberedFailures } from '../remembered-failures.js';
import { type RepositoryId, repositoryKey } from '../repository/identity.js';
import { showToGit, writeConfig } from './disk/layout.js';
import type { MirrorRevision } from './disk/revision.js';
import { publishRevision, readRevision } from './disk/revision-file.js';
import type { JobRunner } from './job-runner.js';
import type { CloneResult } from './jobs/clone.js';
import type { Mirror } from './mirror.js';
import {
  type CopiedSnapshot,
  copyStoredSnapshot,
  type StoredSnapshots,
} from './stored-snapshot.js';

/** Another process may evict its mirror each time that ours was in its way. */
const MAX_ATTEMPTS = 5;

export interface ClonerOptions {
  readonly jobs: JobRunner;
  readonly events: EventEmitter<SnapshotEvents>;
  /** Milliseconds for which a failure is remembered and not tried again. */
  readonly failureMemory: number;
  /** Milliseconds in which the store has to send something of a snapshot. */
  readonly stallTimeout: number;
  readonly snapshots: StoredSnapshots;
}

/**
 * Makes mirrors: in a directory of their own, which is renamed when all of it is there. What a stored
 * snapshot has is not fetched.
 */
export class Cloner {
  readonly #jobs: JobRunner;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #failures: RememberedFailures;
  readonly #snapshots: StoredSnapshots;
  readonly #stallTimeout: number;

  constructor({ jobs, events, failureMemory, stallTimeout, snapshots }: ClonerOptions) {
    this.#jobs = jobs;
    this.#events = events;
    this.#failures = new RememberedFailures(failureMemory);
    this.#snapshots = snapshots;
    this.#stallTimeout = stallTimeout;
  }

  /**
   * @returns the mirror's first revision, or that of another process that was quicker.
   * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`; also
   * what is remembered of an earlier try.
   */
  async clone(mirror: Mirror, signal: AbortSignal, isBackground: boolean): Promise<MirrorRevision> {
    const { repository, directory } = mirror;
    const key = repositoryKey(repository);
    this.#failures.throwIfRemembered(key);
    const temporary = join(dirname(directory), temporaryName('clone'));
    const archive = join(dirname(directory), temporaryName('snapshot'));
    let started: number | undefined;
    const elapsed = () => performance.now() - (started ?? performance.now());
    const options = { signal, isBackground };
    let damaged: (() => void) | undefined;
    try {
      const result = await this.#jobs.run(repository, 'clone', options, async (ends) => {
        started = performance.now();
        this.#events.emit('cloneStarted', { repository });
        const snapshot = await this.#storedSnapshot(repository, archive, ends);
        damaged = snapshot?.damaged;
        const task = await this.#jobs.upstreamTask(repository, ends);
        await mkdir(temporary, { recursive: true });
        await writeConfig(temporary, task.upstreamUrl);
        return { kind: 'clone', ...task, directory: temporary, snapshot: snapshot?.path };
      });
      const revision = await this.#complete(mirror, temporary, result);
      const { restored, restoreFailure, snapshotIsDamaged, fetched } = result;
      if (restoreFailure !== undefined) {
        this.#events.emit('restoreFailed', { repository, error: deserializeError(restoreFailure) });
      }
      if (snapshotIsDamaged) damaged?.();
      this.#events.emit('cloneFinished', {
        repository,
        milliseconds: elapsed(),
        objects: sum(fetched.map((pack) => pack.objects)),
        packBytes: bytesOf(fetched),
        restoredBytes: bytesOf(restored),
      });
      return revision;
    } catch (cause) {
      const error = this.#failures.remember(key, toSnapshotError(cause));
      if (started !== undefined) {
        this.#events.emit('cloneFailed', { repository, milliseconds: elapsed(), error });
      }
      throw error;
    } finally {
      await rm(temporary, { recursive: true, force: true });
      await rm(archive, { force: true });
    }
  }

  /** Takes note of a clone that turned out to be incomplete: it is not tried again for a while. */
  rememberFailure(repository: RepositoryId, error: SnapshotError): void {
    this.#failures.remember(repositoryKey(repository), error);
  }

  /** @returns where it is now; `undefined` when there is none, or it can't be had. */
  async #storedSnapshot(
    repository: RepositoryId,
    path: string,
    signal: AbortSignal,
  ): Promise<CopiedSnapshot | undefined> {
    try {
      return await copyStoredSnapshot(
        this.#snapshots,
        repository,
        path,
        this.#stallTimeout,
        signal,
      );
    } catch (cause) {
      signal.throwIfAborted();
      this.#events.emit('restoreFailed', { repository, error: toSnapshotError(cause) });
      return undefined;
    }
  }

  async #complete(
    { repository, directory }: Mirror,
    temporary: string,
    { restored, fetched, head, digest, isConnected, leavesGarbage }: CloneResult,
  ): Promise<MirrorRevision> {
    const content = {
      repository,
      clone: randomBytes(8).toString('hex'),
      packs: [...restored, ...fetched].map(({ name }) => name),
      head,
      digest,
      pinned: { commits: [], packs: [] },
      garbageSince: leavesGarbage ? Date.now() : undefined,
      prunings: 0,
      isConnected,
    };
    await showToGit(temporary, content);
    await publishRevision(temporary, 0, content);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      try {
        await rename(temporary, directory);
      } catch (error) {
        // Another process on this directory was quicker; its mirror is as good as ours, if it is still there.
        if (!hasCode(error) || (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST')) throw error;
      }
      const revision = await readRevision(directory);
      if (revision !== undefined) return revision;
    }
    throw new SnapshotError('INTERNAL', `${directory} is in the way of a mirror`);
  }
}

function bytesOf(packs: readonly IngestedPack[]): number {
  return sum(packs.map(({ size }) => size));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
