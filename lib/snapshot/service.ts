import { EventEmitter } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessAborted } from '../abort.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import { InProcessLocks } from '../locks/in-process.js';
import type { LockRegistry } from '../locks/registry.js';
import { MirrorManager } from '../mirror/manager.js';
import type { SnapshotConfig } from '../options.js';
import { parseRepository, type RepositoryId, repositoryKey } from '../repository/identity.js';
import { hostConfig } from '../repository/policy.js';
import { FileSystemStore } from '../stores/filesystem.js';
import type { SnapshotStore } from '../stores/store.js';
import type {
  ArtifactSource,
  EnsuredRefs,
  GeneratedArtifact,
  GetOptions,
  OpenArtifactOptions,
  OpenedArtifact,
  StoredArtifact,
} from './artifact.js';
import { type Announce, Generation } from './generation.js';
import { Generator } from './generator.js';
import { describeStored, snapshotKey } from './metadata.js';

/** A snapshot that somebody else stored may be gone again; then it is our turn to generate it. */
const MAX_ATTEMPTS = 5;

export interface CloseOptions {
  /**
   * What becomes of generations that run: `wait` lets them finish and be stored, `abort` (default)
   * ends them, and with them the requests that wait for them.
   */
  running?: 'wait' | 'abort';
}

/**
 * Snapshots of allowed repositories: from the store, or generated on demand.
 *
 * Per repository there is at most one generation at a time, here and, by the lock, among all who share
 * the store. Different repositories never wait for each other, except for a free worker.
 */
export class SnapshotService implements ArtifactSource {
  readonly events = new EventEmitter<SnapshotEvents>();
  readonly #config: SnapshotConfig;
  readonly #store: SnapshotStore;
  readonly #locks: LockRegistry;
  readonly #mirrors: MirrorManager;
  readonly #generator: Generator;
  readonly #generations = new Map<string, Generation>();
  readonly #closing = new AbortController();
  readonly #started: Promise<void>;
  #refusing = false;
  #released: Promise<void> | undefined;

  constructor(config: SnapshotConfig) {
    this.#config = config;
    this.#store =
      config.store ??
      new FileSystemStore({
        directory: join(config.dataDir, 'snapshots'),
        maxBytes: config.limits.maxStoreBytes,
        onEvict: (key) => this.events.emit('evicted', { key }),
      });
    this.#locks = config.locks ?? new InProcessLocks();
    this.#mirrors = new MirrorManager(config, this.events);
    this.#generator = new Generator(config, this.#store, this.events);
    this.#started = this.#start();
    // Whoever needs it gets the failure; until then it must not end the process.
    this.#started.catch(() => {});
  }

  /**
   * Resolves when the directories are there and what a crash left is gone. Nobody needs to wait for
   * it: hits are served before, and generations wait by themselves.
   */
  get started(): Promise<void> {
    return this.#started;
  }

  async stat(
    repository: RepositoryId,
    { signal }: GetOptions = {},
  ): Promise<StoredArtifact | undefined> {
    this.#check(repository);
    const key = snapshotKey(repository);
    await this.#storing(key, signal);
    const stored = await this.#store.stat(key, { signal });
    return stored && describeStored(repository, stored);
  }

  async open(
    repository: RepositoryId,
    { range, revision, signal }: OpenArtifactOptions = {},
  ): Promise<OpenedArtifact | undefined> {
    this.#check(repository);
    const key = snapshotKey(repository);
    await this.#storing(key, signal);
    const opened = await this.#store.open(key, { range, revision, signal });
    if (opened === undefined) return undefined;
    const stored = describeStored(repository, opened);
    this.events.emit('hit', { repository, etag: stored.etag, size: stored.size });
    return { ...stored, source: 'store', body: opened.body };
  }

  /**
   * @throws SnapshotError any of `UPSTREAM_*`, `REPOSITORY_*`, `LIMIT_EXCEEDED`, `STORE_FAILED`,
   * `STORAGE_FULL`, `LOCK_FAILED`, `FORBIDDEN`, `CLOSED`, `INTERNAL`; the signal's reason.
   */
  async get(
    repository: RepositoryId,
    options: GetOptions = {},
  ): Promise<OpenedArtifact | GeneratedArtifact> {
    const { signal } = options;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = await this.open(repository, options);
      if (stored !== undefined) return stored;
      const generation = this.#generation(repository);
      const outcome = await unlessAborted(generation.outcome, signal);
      if (outcome.kind === 'generating') {
        const body = outcome.spool.createReader(signal);
        if (body !== undefined) return { ...outcome.info, source: 'generation', body };
      }
      // What it left is in the store. If not, the next generation is ours, once this one is over.
      await unlessAborted(generation.done, signal);
    }
    throw new SnapshotError('STORE_FAILED', 'the store keeps losing what it says it has');
  }

  current(repository: RepositoryId, options?: GetOptions): Promise<StoredArtifact | undefined> {
    return this.stat(repository, options);
  }

  isUpToDate(): Promise<boolean> {
    throw new SnapshotError('INTERNAL', 'not there yet');
  }

  ensureRefs(): Promise<EnsuredRefs> {
    throw new SnapshotError('INTERNAL', 'not there yet');
  }

  headOf(): string | undefined {
    return undefined;
  }

  /** Removes the stored snapshot, if there is one. The mirror stays. */
  async delete(repository: RepositoryId): Promise<void> {
    this.#check(repository);
    const key = snapshotKey(repository);
    await this.#storing(key, undefined);
    if ((await this.#store.stat(key)) === undefined) return;
    await this.#store.delete(key);
    this.events.emit('evicted', { key });
  }

  /** Ends everything that runs, starts nothing new, and releases workers, store and locks. Idempotent. */
  async close({ running = 'abort' }: CloseOptions = {}): Promise<void> {
    this.#refusing = true;
    if (running === 'wait') await this.#settle();
    this.#closing.abort(new SnapshotError('CLOSED', 'the service was closed'));
    await this.#settle();
    this.#released ??= this.#release();
    await this.#released;
  }

  async #release(): Promise<void> {
    await Promise.all([this.#mirrors.close(), this.#generator.close()]);
    await Promise.allSettled([this.#started]);
    await Promise.all([this.#store.close?.(), this.#locks.close?.()]);
  }

  async #start(): Promise<void> {
    await mkdir(this.#config.dataDir, { recursive: true });
    // A store of files looks for what a crash left when it is first asked. Whether a store works is
    // for those to find out who need it.
    const store = this.#store.stat(snapshotKey({ host: '', path: '' })).catch(() => undefined);
    await Promise.all([this.#mirrors.start(), this.#generator.start(), store]);
  }

  async #settle(): Promise<void> {
    await Promise.all([...this.#generations.values()].map(({ done }) => done));
  }

  /**
   * Waits while a snapshot that is complete is put into the store: whoever has read it to its end
   * shall find it there.
   */
  async #storing(key: string, signal: AbortSignal | undefined): Promise<void> {
    const generation = this.#generations.get(key);
    if (generation?.isStoring) await unlessAborted(generation.done, signal);
  }

  /** The generation of this repository that runs, else one that begins now. */
  #generation(repository: RepositoryId): Generation {
    const key = snapshotKey(repository);
    const running = this.#generations.get(key);
    this.events.emit('miss', { repository, joined: running !== undefined });
    if (running !== undefined) return running;
    if (this.#refusing) throw new SnapshotError('CLOSED', 'the service is closed or closing');
    if (this.#generations.size >= this.#config.limits.maxPending) {
      throw new SnapshotError('OVERLOADED', 'maxPending snapshots are being made or waited for');
    }
    const generation = new Generation((announce) => this.#generate(repository, announce));
    this.#generations.set(key, generation);
    generation.done.then(() => this.#generations.delete(key));
    return generation;
  }

  async #generate(repository: RepositoryId, announce: Announce): Promise<void> {
    const closing = this.#closing.signal;
    await unlessAborted(this.#started, closing).catch((error: unknown) => {
      throw toSnapshotError(error);
    });
    const key = snapshotKey(repository);
    const lock = await this.#locks.acquire(key, { signal: closing });
    try {
      const signal = AbortSignal.any([closing, lock.signal]);
      // Whoever held the lock before may have generated what we want.
      if ((await this.#store.stat(key, { signal })) !== undefined)
        return announce({ kind: 'stored' });
      this.#generator.prepare();
      const mirror = await this.#mirrors.ensureReady(repository, signal);
      await this.#generator.generate(repository, mirror, signal, (info, spool) => {
        announce({ kind: 'generating', info, spool });
      });
    } finally {
      await lock.release();
    }
  }

  /** What holds for requests holds for callers without HTTP as well: valid, and allowed. */
  #check(repository: RepositoryId): void {
    const key = repositoryKey(repository);
    if (repositoryKey(parseRepository(key)) !== key) {
      throw new SnapshotError('INVALID_REPOSITORY', 'the repository is not in its canonical form');
    }
    hostConfig(this.#config, repository);
  }
}
