import type { EventEmitter } from 'node:events';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ArtifactId, type ArtifactInfo, isBundle } from '../artifact/artifact.js';
import { formatOf } from '../artifact/etag.js';
import { artifactKey, isVariant } from '../artifact/key.js';
import { encodeMetadata } from '../artifact/metadata.js';
import { unlessAborted } from '../async/abort.js';
import { withDeadline } from '../async/deadline.js';
import { hostConfig, originUrl } from '../config/hosts.js';
import type { SnapshotConfig } from '../config/options.js';
import { deserializeError, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import { prepareDirectory, temporaryName } from '../fs/temporary.js';
import type { MirrorLease } from '../mirror/mirror.js';
import { repositoryOf } from '../repository.js';
import { adoptMethod, checkingFirst } from '../stores/abilities.js';
import type { Metadata, SnapshotStore } from '../stores/store.js';
import { isPreconditionFailure } from '../stores/write-condition.js';
import { WorkerPool } from '../workers/pool.js';
import { Spool } from '../writer/spool.js';
import type { WriteTask } from '../writer/worker.js';
import type { WriteAnswer, WriteEvent, WriteResult } from '../writer/write-context.js';
import { BuildQueue } from './build-queue.js';

/** Below this, writing the packs takes less time than starting a thread. */
const SECOND_THREAD_PACK_BYTES = 64 * 1024 * 1024;

/**
 * What became of what was generated. `unchanged`: it was not, because it is stored. `overtaken`: somebody else
 * has stored something meanwhile, which stays. `not-stored`: the store did not take it.
 */
export type WriteOutcome = 'unchanged' | 'stored' | 'superseded' | 'not-stored';

export interface WriteOptions {
  /** The basis of what is stored: nothing is generated if that is what it would follow from. */
  readonly unless: string | undefined;
  /** The revision that was stored when the work began, `null` if none was: nothing else is replaced. */
  readonly replaces: string | null;
  /** When the upstream was last asked, if it was: milliseconds since the epoch. */
  readonly knownAt: number | undefined;
  /** Nobody waits for it, at first: it takes no turn of those that somebody waits for. */
  readonly isBackground: boolean;
  /** Resolves when somebody does; then it need not wait for others in the background. */
  readonly awaited: Promise<void>;
  readonly signal: AbortSignal;
  /** Called when its turn has come. */
  onTurn(): void;
}

/**
 * Writes artifacts of mirrors into spools, when their turn comes, and puts them into the store when they are
 * complete.
 */
export class ArtifactWriter {
  readonly #config: SnapshotConfig;
  readonly #store: SnapshotStore;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #directory: string;
  readonly #pool: WorkerPool<WriteTask, WriteEvent, WriteAnswer>;
  readonly #queue: BuildQueue;

  constructor(config: SnapshotConfig, store: SnapshotStore, events: EventEmitter<SnapshotEvents>) {
    this.#config = config;
    this.#store = store;
    this.#events = events;
    this.#directory = join(config.dataDir, 'spool');
    const { concurrentGenerations } = config.limits;
    this.#queue = new BuildQueue(concurrentGenerations);
    this.#pool = new WorkerPool(
      new URL('../writer/worker.js', import.meta.url),
      concurrentGenerations,
    );
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
   * Generates and stores one artifact. Resolves when it is stored, or is not: that the store failed is an
   * event but no failure: the bytes are right, and those who wait get them.
   *
   * @param onBytes gets the spool when it has its first bytes.
   * @throws SnapshotError what the generation failed with; readers of the spool get the same.
   */
  async write(
    id: ArtifactId,
    lease: MirrorLease,
    { unless, replaces, knownAt, isBackground, awaited, signal, onTurn }: WriteOptions,
    onBytes: (info: ArtifactInfo, spool: Spool) => void,
  ): Promise<WriteOutcome> {
    const run = async () => {
      signal.throwIfAborted();
      onTurn();
      const { repository } = lease.revision;
      const started = performance.now();
      const elapsed = () => performance.now() - started;
      const spool = await Spool.create(join(this.#directory, temporaryName('artifact')));
      const scratch = join(this.#directory, temporaryName('packs'));
      try {
        let planned: { readonly info: ArtifactInfo; readonly basis: string } | undefined;
        let isShown = false;
        const show = () => {
          if (planned === undefined) throw new SnapshotError('INTERNAL', 'nothing was planned');
          if (!isShown) onBytes(planned.info, spool);
          isShown = true;
          return planned;
        };
        const task = this.#task(id, lease, unless, spool.path, scratch);
        const result = await this.#write(task, signal, (event) => {
          if (event.kind === 'planned') {
            const { etag, commit, basis } = event;
            planned = { info: { repository, etag, commit }, basis };
            this.#events.emit('generationStarted', planned.info);
          } else {
            spool.advance(event.bytes);
            show();
          }
        });
        if (result === 'unchanged') return 'unchanged';
        const { info, basis } = show();
        const { size } = result;
        spool.complete(size);
        this.#events.emit('generationFinished', { repository, milliseconds: elapsed(), size });
        return await this.#putInStore(
          id,
          encodeMetadata(info, {
            basis,
            format: formatOf(this.#config, id),
            digest: lease.revision.digest,
            knownAt,
          }),
          spool,
          { replaces, signal },
        );
      } catch (cause) {
        const error = toSnapshotError(cause);
        spool.fail(error);
        throw error;
      } finally {
        await spool.remove();
        await spool.release();
        await rm(scratch, { recursive: true, force: true });
      }
    };
    const build = { repository: id, isVariant: isVariant(id), isBackground, awaited, signal };
    return await this.#queue.run(build, run);
  }

  /** Ends all builds. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  #task(
    id: ArtifactId,
    { directory: mirror, revision }: MirrorLease,
    unless: string | undefined,
    path: string,
    scratch: string,
  ): WriteTask {
    const { limits, snapshot } = this.#config;
    const task = { mirror, revision, path, scratch, limits };
    if (isBundle(id)) return { kind: 'bundle', ...task, base: id.base };
    return {
      kind: 'snapshot',
      ...task,
      ...snapshot,
      selection: { ref: id.ref, depth: id.depth },
      onlyReachableCommits: hostConfig(this.#config, id).onlyReachableCommits,
      unless,
      originUrl: originUrl(this.#config, id),
      secondThreadPackBytes: SECOND_THREAD_PACK_BYTES,
    };
  }

  async #write(
    task: WriteTask,
    signal: AbortSignal,
    onEvent: (event: WriteEvent) => void,
  ): Promise<WriteResult> {
    const { generationTimeout } = this.#config.limits;
    const write = (ends: AbortSignal) => this.#pool.run(task, { signal: ends, onEvent });
    const answer = await withDeadline(generationTimeout, signal, write, (cause) => {
      const message = `the generation took longer than ${generationTimeout} ms`;
      return new SnapshotError('LIMIT_EXCEEDED', message, { cause });
    });
    if (answer !== 'unchanged' && 'notFound' in answer) throw deserializeError(answer.notFound);
    return answer;
  }

  async #putInStore(
    id: ArtifactId,
    metadata: Metadata,
    spool: Spool,
    { replaces, signal }: Pick<WriteOptions, 'replaces' | 'signal'>,
  ): Promise<WriteOutcome> {
    const key = artifactKey(id);
    const expendable = isVariant(id);
    if (expendable && this.#config.limits.maxVariants === 0) return 'not-stored';
    const { generationTimeout } = this.#config.limits;
    const put = async (ends: AbortSignal): Promise<WriteOutcome> => {
      const options = { expendable, replaces, signal: ends };
      if (!this.#store.abilities.writesConditionally) {
        // Whoever lost its lease must not put something older in place of what others stored since.
        const stored = await this.#store.stat(key, { signal: ends });
        if (stored !== undefined && stored.revision !== replaces) return 'superseded';
      }
      const adopt = adoptMethod(this.#store);
      if (adopt !== undefined) {
        await adopt(key, spool.path, metadata, options);
        return 'stored';
      }
      const created = await this.#store.create(key, metadata, options);
      const writer = checkingFirst(this.#store, key, options, created);
      try {
        // Before the spool is opened, which may be gone by now.
        ends.throwIfAborted();
        for await (const chunk of createReadStream(spool.path, { signal: ends })) {
          await writer.write(chunk);
        }
        await writer.commit();
      } finally {
        await writer.abort();
      }
      return 'stored';
    };
    const putInTime = (ends: AbortSignal) => {
      const putting = put(ends);
      return unlessAborted(putting, ends).catch((error: unknown) => {
        // A close waits for what the store has to remove; one that is late may not even know the signal.
        if (signal.aborted) return putting;
        throw error;
      });
    };
    try {
      return await withDeadline(generationTimeout, signal, putInTime, (cause) => {
        const message = `the store took longer than ${generationTimeout} ms`;
        return new SnapshotError('STORE_FAILED', message, { cause });
      });
    } catch (cause) {
      if (isPreconditionFailure(cause)) return 'superseded';
      const error = toSnapshotError(cause);
      this.#events.emit('storeFailed', { repository: repositoryOf(id), error });
      return 'not-stored';
    }
  }
}
