import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import { RememberedFailures } from '../remembered-failures.js';
import { repositoryKey } from '../repository/identity.js';
import { temporaryName } from '../stores/temporary.js';
import type { CloneResult } from './clone.js';
import type { JobRunner } from './job-runner.js';
import { showToGit, writeConfig } from './layout.js';
import type { Mirror } from './mirror.js';
import type { MirrorRevision } from './revision.js';
import { publishRevision, readRevision } from './revision-file.js';

/** Another process may evict its mirror each time that ours was in its way. */
const MAX_ATTEMPTS = 5;

/** Makes mirrors: in a directory of their own, which is renamed when all of it is there. */
export class Cloner {
  readonly #jobs: JobRunner;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #failures: RememberedFailures;

  /** @param failureMemory milliseconds for which a failure is remembered and not tried again. */
  constructor(jobs: JobRunner, events: EventEmitter<SnapshotEvents>, failureMemory: number) {
    this.#jobs = jobs;
    this.#events = events;
    this.#failures = new RememberedFailures(failureMemory);
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
    let started: number | undefined;
    const elapsed = () => performance.now() - (started ?? performance.now());
    try {
      const options = { signal, isBackground };
      const result = await this.#jobs.run(repository, 'clone', options, async (ends) => {
        started = performance.now();
        this.#events.emit('cloneStarted', { repository });
        const task = await this.#jobs.upstreamTask(repository, ends);
        await mkdir(temporary, { recursive: true });
        await writeConfig(temporary, task.upstreamUrl);
        return { kind: 'clone', ...task, directory: temporary };
      });
      const revision = await this.#complete(mirror, temporary, result);
      const objects = sum(result.packs.map((pack) => pack.objects));
      const packBytes = sum(result.packs.map(({ size }) => size));
      this.#events.emit('cloneFinished', {
        repository,
        milliseconds: elapsed(),
        objects,
        packBytes,
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
    }
  }

  async #complete(
    { repository, directory }: Mirror,
    temporary: string,
    { packs, head, digest, isConnected }: CloneResult,
  ): Promise<MirrorRevision> {
    const content = {
      repository,
      clone: randomBytes(8).toString('hex'),
      packs: packs.map(({ name }) => name),
      head,
      digest,
      pinned: { commits: [], packs: [] },
      garbageSince: undefined,
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

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
