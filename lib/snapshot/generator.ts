import type { EventEmitter } from 'node:events';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import pLimit, { type LimitFunction } from 'p-limit';
import { withDeadline } from '../abort.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import type { ReadyMirror } from '../mirror/mirror.js';
import type { SnapshotConfig } from '../options.js';
import type { RepositoryId } from '../repository/identity.js';
import { originUrl } from '../repository/policy.js';
import type { Metadata, SnapshotStore } from '../stores/store.js';
import { prepareDirectory, temporaryName } from '../stores/temporary.js';
import { WorkerPool } from '../workers/pool.js';
import type { ArtifactInfo } from './artifact.js';
import { encodeMetadata, snapshotKey } from './metadata.js';
import { Spool } from './spool.js';
import type { WriteEvent, WriteResult, WriteTask } from './writer.js';

/** Below this, writing the packs takes less time than starting a thread. */
const SECOND_THREAD_PACK_BYTES = 64 * 1024 * 1024;

/**
 * Writes snapshots of ready mirrors into spools, so many at once and no more, and puts them into the
 * store when they are complete.
 */
export class Generator {
  readonly #config: SnapshotConfig;
  readonly #store: SnapshotStore;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #directory: string;
  readonly #pool: WorkerPool<WriteTask, WriteEvent, WriteResult>;
  readonly #limit: LimitFunction;

  constructor(config: SnapshotConfig, store: SnapshotStore, events: EventEmitter<SnapshotEvents>) {
    this.#config = config;
    this.#store = store;
    this.#events = events;
    this.#directory = join(config.dataDir, 'spool');
    const { concurrentGenerations } = config.limits;
    this.#limit = pLimit(concurrentGenerations);
    this.#pool = new WorkerPool(new URL('./worker.js', import.meta.url), concurrentGenerations);
  }

  /** Makes the spool directory, and removes from it what a crash left. */
  async start(): Promise<void> {
    await prepareDirectory(this.#directory);
  }

  /** Has a thread ready by the time that a clone which has just begun may be over. */
  prepare(): void {
    this.#pool.prepare();
  }

  /**
   * Generates and stores one snapshot. Resolves when it is stored, or when the store did not take it,
   * which is an event but no failure: the bytes are right, and those who wait get them.
   *
   * @param onPlanned gets the spool before its first byte.
   * @throws SnapshotError what the generation failed with; readers of the spool get the same.
   */
  async generate(
    repository: RepositoryId,
    mirror: ReadyMirror,
    signal: AbortSignal,
    onPlanned: (info: ArtifactInfo, spool: Spool) => void,
  ): Promise<void> {
    await this.#limit(async () => {
      signal.throwIfAborted();
      const started = performance.now();
      const elapsed = () => performance.now() - started;
      const spool = await Spool.create(join(this.#directory, temporaryName('snapshot')));
      try {
        let info: ArtifactInfo | undefined;
        const result = await this.#write(repository, mirror, spool, signal, (planned) => {
          info = planned;
          this.#events.emit('generationStarted', planned);
          onPlanned(planned, spool);
        });
        if (info === undefined) throw new SnapshotError('INTERNAL', 'nothing was planned');
        spool.complete(result.size);
        this.#events.emit('generationFinished', {
          repository,
          milliseconds: elapsed(),
          size: result.size,
        });
        await this.#putInStore(info, spool, signal);
      } catch (cause) {
        const error = toSnapshotError(cause);
        spool.fail(error);
        this.#events.emit('generationFailed', { repository, milliseconds: elapsed(), error });
        throw error;
      } finally {
        await spool.remove();
        await spool.release();
      }
    });
  }

  /** Ends all generations. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #write(
    repository: RepositoryId,
    mirror: ReadyMirror,
    spool: Spool,
    signal: AbortSignal,
    onPlanned: (info: ArtifactInfo) => void,
  ): Promise<WriteResult> {
    const { limits, snapshot } = this.#config;
    const task: WriteTask = {
      mirror: mirror.directory,
      packs: mirror.packs,
      originUrl: originUrl(this.#config, repository),
      path: spool.path,
      ...snapshot,
      secondThreadPackBytes: SECOND_THREAD_PACK_BYTES,
      limits,
    };
    const onEvent = (event: WriteEvent) => {
      if (event.kind === 'written') spool.advance(event.bytes);
      else onPlanned({ repository, etag: event.etag, commit: event.commit });
    };
    const write = (ends: AbortSignal) => this.#pool.run(task, { signal: ends, onEvent });
    return await withDeadline(limits.generationTimeout, signal, write, (cause) => {
      const message = `the generation took longer than ${limits.generationTimeout} ms`;
      return new SnapshotError('LIMIT_EXCEEDED', message, { cause });
    });
  }

  async #putInStore(info: ArtifactInfo, spool: Spool, signal: AbortSignal): Promise<void> {
    const { repository } = info;
    const key = snapshotKey(repository);
    try {
      const metadata = encodeMetadata(info);
      if (this.#store.abilities.adoptsFiles && this.#store.adopt !== undefined) {
        await this.#store.adopt(key, spool.path, metadata);
      } else {
        await this.#copyIntoStore(key, metadata, spool, signal);
      }
    } catch (cause) {
      this.#events.emit('storeFailed', { repository, error: toSnapshotError(cause) });
    }
  }

  async #copyIntoStore(
    key: string,
    metadata: Metadata,
    spool: Spool,
    signal: AbortSignal,
  ): Promise<void> {
    const writer = await this.#store.create(key, metadata, { signal });
    try {
      for await (const chunk of createReadStream(spool.path, { signal })) await writer.write(chunk);
      await writer.commit();
    } finally {
      await writer.abort();
    }
  }
}
