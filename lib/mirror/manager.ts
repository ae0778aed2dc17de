import { createHash } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import pLimit, { type LimitFunction } from 'p-limit';
import { unlessAborted, withDeadline } from '../abort.js';
import { hasCode, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import type { SnapshotConfig } from '../options.js';
import { type RepositoryId, repositoryKey } from '../repository/identity.js';
import { allowedHosts, hostConfig, upstreamUrl } from '../repository/policy.js';
import { prepareDirectory, temporaryName } from '../stores/temporary.js';
import { WorkerPool } from '../workers/pool.js';
import type { CloneProgress, CloneResult, CloneTask } from './fetch.js';
import { packDirectory, readMirrorDescription } from './layout.js';
import { Mirror, type ReadyMirror } from './mirror.js';

interface Failure {
  readonly error: SnapshotError;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** What a thread knew of more objects (46 bytes of each) would stay with it while it is idle. */
const MANY_OBJECTS = 1_000_000;
/** Names that clients make up must not fill the memory. */
const MAX_REMEMBERED_FAILURES = 10_000;

/**
 * The mirrors below one directory: finds those that are there, clones those that are not, so many at
 * once and no more, and remembers for a while what could not be cloned.
 */
export class MirrorManager {
  readonly #config: SnapshotConfig;
  readonly #directory: string;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #pool: WorkerPool<CloneTask, CloneProgress, CloneResult>;
  readonly #limit: LimitFunction;
  /** Only those that somebody waits for: a mirror that is ready is found on disk. */
  readonly #mirrors = new Map<string, Mirror>();
  readonly #failures = new LRUCache<string, Failure>({ max: MAX_REMEMBERED_FAILURES });

  constructor(config: SnapshotConfig, events: EventEmitter<SnapshotEvents>) {
    this.#config = config;
    this.#directory = join(config.dataDir, 'mirrors');
    this.#events = events;
    const { concurrentClones } = config.limits;
    this.#limit = pLimit(concurrentClones);
    const script = new URL('./worker.js', import.meta.url);
    this.#pool = new WorkerPool(script, concurrentClones, ({ packs }) =>
      packs.every(({ objects }) => objects < MANY_OBJECTS),
    );
  }

  /** Makes the directory, and removes from it what a crash left. */
  async start(): Promise<void> {
    await prepareDirectory(this.#directory);
  }

  /**
   * The repository's mirror, found on disk or cloned now.
   *
   * @param signal ends the clone, and with it the waiting of all others: to be aborted only by who
   * owns the generation.
   * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
   */
  async ensureReady(repository: RepositoryId, signal: AbortSignal): Promise<ReadyMirror> {
    const key = repositoryKey(repository);
    this.#throwRememberedFailure(key);
    let mirror = this.#mirrors.get(key);
    if (mirror === undefined) {
      mirror = new Mirror(repository);
      this.#mirrors.set(key, mirror);
    }
    try {
      return await mirror.ensureReady(async () => {
        const directory = join(this.#directory, directoryName(key));
        return (
          (await this.#find(directory, repository)) ??
          (await this.#clone(repository, directory, signal))
        );
      });
    } finally {
      if (this.#mirrors.get(key) === mirror) this.#mirrors.delete(key);
    }
  }

  /** Ends all clones. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  /**
   * The complete mirror of this repository in a directory; `undefined` when there is none. What lies
   * there and is no mirror is moved away first, because another process may be putting one there.
   */
  async #find(directory: string, repository: RepositoryId): Promise<ReadyMirror | undefined> {
    try {
      const { repository: found, packs } = await readMirrorDescription(directory);
      if (repositoryKey(found) === repositoryKey(repository)) {
        for (const name of packs) {
          await stat(join(packDirectory(directory), `${name}.pack`));
          await stat(join(packDirectory(directory), `${name}.idx`));
        }
        return { directory, packs };
      }
    } catch (error) {
      const missing = hasCode(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
      const damaged = error instanceof SnapshotError || error instanceof SyntaxError;
      if (!missing && !damaged) throw error;
    }
    const aside = join(this.#directory, temporaryName('broken'));
    try {
      await rename(directory, aside);
    } catch (error) {
      if (hasCode(error) && error.code === 'ENOENT') return undefined;
      throw error;
    }
    await rm(aside, { recursive: true, force: true });
    return undefined;
  }

  #throwRememberedFailure(key: string): void {
    const failure = this.#failures.get(key);
    if (failure === undefined) return;
    const milliseconds = failure.until - Date.now();
    if (milliseconds <= 0) {
      this.#failures.delete(key);
      return;
    }
    const { code, message } = failure.error;
    const retryAfter = Math.ceil(milliseconds / 1000);
    throw new SnapshotError(code, message, { cause: failure.error, retryAfter });
  }

  async #clone(repository: RepositoryId, place: string, signal: AbortSignal): Promise<ReadyMirror> {
    return await this.#limit(async () => {
      const started = performance.now();
      this.#events.emit('cloneStarted', { repository });
      const temporary = join(this.#directory, temporaryName('clone'));
      try {
        const result = await this.#cloneInto(temporary, repository, signal);
        await putInPlace(temporary, place);
        this.#events.emit('cloneFinished', {
          repository,
          milliseconds: performance.now() - started,
          objects: sum(result.packs.map(({ objects }) => objects)),
          packBytes: sum(result.packs.map(({ size }) => size)),
        });
        const { packs } = await readMirrorDescription(place);
        return { directory: place, packs };
      } catch (cause) {
        const error = this.#remember(repositoryKey(repository), toSnapshotError(cause));
        const milliseconds = performance.now() - started;
        this.#events.emit('cloneFailed', { repository, milliseconds, error });
        throw error;
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    });
  }

  async #cloneInto(
    directory: string,
    repository: RepositoryId,
    signal: AbortSignal,
  ): Promise<CloneResult> {
    const { limits, userAgent } = this.#config;
    const clone = async (ends: AbortSignal) => {
      const task: CloneTask = {
        repository,
        directory,
        upstreamUrl: upstreamUrl(this.#config, repository),
        hosts: allowedHosts(this.#config),
        authorization: await this.#authorization(repository, ends),
        userAgent,
        limits,
      };
      await mkdir(directory);
      const onEvent = (progress: CloneProgress) => {
        this.#events.emit('cloneProgress', { repository, progress });
      };
      return await this.#pool.run(task, { signal: ends, onEvent });
    };
    return await withDeadline(limits.cloneTimeout, signal, clone, (cause) => {
      const message = `the clone took longer than ${limits.cloneTimeout} ms`;
      return new SnapshotError('UPSTREAM_TIMEOUT', message, { cause });
    });
  }

  async #authorization(repository: RepositoryId, signal: AbortSignal): Promise<string | undefined> {
    const { credentials } = hostConfig(this.#config, repository);
    if (credentials === undefined) return undefined;
    const given = await unlessAborted(Promise.resolve(credentials(repository)), signal);
    if (given === undefined) return undefined;
    const { username, password } = given;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  #remember(key: string, error: SnapshotError): SnapshotError {
    const { failureMemory } = this.#config.limits;
    const ownDoing = error.code === 'ABORTED' || error.code === 'CLOSED';
    if (failureMemory === 0 || ownDoing) return error;
    const milliseconds = Math.max(failureMemory, (error.retryAfter ?? 0) * 1000);
    const remembered = new SnapshotError(error.code, error.message, {
      cause: error,
      retryAfter: Math.ceil(milliseconds / 1000),
    });
    this.#failures.set(key, { error: remembered, until: Date.now() + milliseconds });
    return remembered;
  }
}

/** A readable part of the key, and a hash that no two keys share. */
function directoryName(key: string): string {
  const readable = key.replace(/[^a-z0-9.-]+/gi, '-').slice(0, 100);
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return `${readable}-${hash}.git`;
}

async function putInPlace(temporary: string, place: string): Promise<void> {
  try {
    await rename(temporary, place);
  } catch (error) {
    // Another process on this directory was quicker; its mirror is as good as ours.
    if (hasCode(error) && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST')) return;
    throw error;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
