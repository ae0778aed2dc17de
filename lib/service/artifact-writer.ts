import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactInfo } from '../artifact/artifact.js';
import { formatOf } from '../artifact/etag.js';
import { type ArtifactId, isVariant } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { encodeMetadata } from '../artifact/metadata.js';
import { unlessAborted } from '../async/abort.js';
import { withDeadline } from '../async/deadline.js';
import { hostConfig, originUrl } from '../config/hosts.js';
import { type ServiceConfig, workLimits } from '../config/options.js';
import { limitExceeded, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import { Job } from '../events/job.js';
import { inDirectory, prepareDirectory, temporaryName } from '../fs/temporary.js';
import type { DiskRoom } from '../mirror/disk-room.js';
import type { MirrorLease } from '../mirror/mirror.js';
import { endBody, fileBody } from '../stores/body.js';
import type { Metadata, SnapshotStore } from '../stores/store.js';
import {
  checkCondition,
  isPreconditionFailure,
  withConditionCheck,
} from '../stores/write-condition.js';
import { WorkerPool } from '../workers/pool.js';
import { threadScript } from '../workers/start-thread.js';
import type { ThreadCounts } from '../workers/thread-counts.js';
import type { WriteTask } from '../writer/worker.js';
import type { WriteEvent, WriteResult } from '../writer/write-context.js';
import { BuildQueue } from './build-queue.js';
import { Spool } from './spool.js';

/** Bytes of packs below which writing them takes less time than starting a second thread. */
const SECOND_THREAD_PACK_BYTES = 64 * 1024 * 1024;

/**
 * `unchanged`: the stored artifact has the same basis, so nothing was written. `superseded`: the
 * stored version has changed meanwhile, and stays. `not-stored`: the store did not take the
 * artifact.
 */
export type WriteOutcome = 'unchanged' | 'stored' | 'superseded' | 'not-stored';

export interface WriteOptions {
  /** The basis of the stored artifact: nothing is written if the new one has the same. */
  readonly unlessBasis: string | undefined;
  /** The stored version when the build began; `null`: none. The build replaces no other version. */
  readonly ifRevision: string | null;
  /** When the last successful check began, if there was one: milliseconds since the epoch. */
  readonly knownAt: number | undefined;
  /** Background work: uses no foreground slot until a client waits for it. */
  readonly isBackground: boolean;
  /** Resolves when a client begins to wait for it. */
  readonly awaited: Promise<void>;
  readonly signal: AbortSignal;
  readonly job: Job<'build'>;
  /** Called when the build gets its turn. */
  onTurn(): void;
}

/** Writes artifacts into spools, in worker threads and in fair turns, and stores complete ones. */
export class ArtifactWriter {
  readonly #config: ServiceConfig;
  readonly #store: SnapshotStore;
  readonly #events: SnapshotEmitter;
  readonly #room: DiskRoom;
  readonly #directory: string;
  readonly #pool: WorkerPool<WriteTask, WriteEvent, WriteResult>;
  readonly #queue: BuildQueue;

  /** @param room room on the disk of `dataDir`. */
  constructor(
    config: ServiceConfig,
    store: SnapshotStore,
    events: SnapshotEmitter,
    room: DiskRoom,
  ) {
    this.#room = room;
    this.#config = config;
    this.#store = store;
    this.#events = events;
    this.#directory = join(config.dataDir, 'spool');
    const { builds } = config.concurrency;
    this.#queue = new BuildQueue(builds);
    this.#pool = new WorkerPool(threadScript('writer'), builds);
  }

  /** Builds that have their turn. */
  get running(): number {
    return this.#queue.running;
  }

  get threads(): ThreadCounts {
    return this.#pool.threads;
  }

  /** As `WorkerPool.failedStarts`. */
  get failedStarts(): number {
    return this.#pool.failedStarts;
  }

  /** Creates the spool directory, and removes leftovers of a crash. */
  async start(): Promise<void> {
    await prepareDirectory(this.#directory);
  }

  /** Starts a thread in advance, so that it is ready when the mirror is. */
  prepare(): void {
    this.#pool.prepare();
  }

  /**
   * Writes one artifact and stores it. If the store fails, emits an event; the build succeeds:
   * clients get the right bytes.
   *
   * @param onBytes gets the spool when it has its first bytes.
   * @throws SnapshotError the failure of the build. Readers of the spool get it, too.
   */
  async write(
    id: ArtifactId,
    lease: MirrorLease,
    { unlessBasis, ifRevision, knownAt, isBackground, awaited, signal, job, onTurn }: WriteOptions,
    onBytes: (info: ArtifactInfo, spool: Spool) => void,
  ): Promise<WriteOutcome> {
    const run = async () => {
      signal.throwIfAborted();
      job.start();
      onTurn();
      const { repository } = lease.revision;
      const path = join(this.#directory, temporaryName('artifact'));
      const spool = await inDirectory(this.#directory, () => Spool.create(path));
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
        const task = this.#task(id, lease, unlessBasis, spool.path, scratch);
        const result = await this.#write(task, signal, (event) => {
          if (event.kind === 'planned') {
            const { etag, commit, basis } = event;
            planned = { info: { repository, etag, commit }, basis };
          } else {
            spool.advance(event.bytes);
            show();
          }
        });
        if (result === 'unchanged') {
          const nothing = { etag: undefined, commit: undefined, size: undefined };
          job.succeed({ outcome: 'unchanged', ...nothing });
          return 'unchanged';
        }
        const { info, basis } = show();
        const { size } = result;
        spool.complete(size);
        job.succeed({ outcome: 'written', etag: info.etag, commit: info.commit, size });
        return await this.#putInStore(
          id,
          encodeMetadata(info, {
            basis,
            format: formatOf(this.#config, id),
            digest: lease.revision.digest,
            knownAt,
          }),
          { spool, etag: info.etag, size },
          { ifRevision, signal },
        );
      } catch (cause) {
        const error = toSnapshotError(cause, id.repository);
        spool.fail(error);
        throw error;
      } finally {
        await spool.remove().finally(() => spool.release());
        await rm(scratch, { recursive: true, force: true });
      }
    };
    const { repository } = id;
    const build = { repository, isVariant: isVariant(id), isBackground, awaited, signal };
    job.queue();
    return await this.#queue.run(build, run);
  }

  /** Ends all builds. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  #task(
    id: ArtifactId,
    { directory: mirror, revision }: MirrorLease,
    unlessBasis: string | undefined,
    path: string,
    scratch: string,
  ): WriteTask {
    const { snapshot } = this.#config;
    const task = { mirror, revision, path, scratch, limits: workLimits(this.#config) };
    if (id.kind === 'bundle') return { kind: 'bundle', ...task, base: id.base };
    return {
      kind: 'snapshot',
      ...task,
      ...snapshot,
      selection: { ref: id.ref, depth: id.depth },
      onlyReachableCommits: hostConfig(this.#config, id.repository).onlyReachableCommits,
      unlessBasis,
      originUrl: originUrl(this.#config, id.repository),
      secondThreadPackBytes: SECOND_THREAD_PACK_BYTES,
    };
  }

  async #write(
    task: WriteTask,
    signal: AbortSignal,
    onEvent: (event: WriteEvent) => void,
  ): Promise<WriteResult> {
    const { buildTimeout } = this.#config.timeouts;
    const write = (ends: AbortSignal) => this.#pool.run(task, { signal: ends, onEvent });
    return await withDeadline(buildTimeout, signal, write, (cause) => {
      const message = `the build took longer than ${buildTimeout} ms`;
      return limitExceeded('buildTimeout', message, { cause });
    });
  }

  async #putInStore(
    id: ArtifactId,
    metadata: Metadata,
    { spool, etag, size }: { spool: Spool; etag: string; size: number },
    { ifRevision, signal }: Pick<WriteOptions, 'ifRevision' | 'signal'>,
  ): Promise<WriteOutcome> {
    const { repository } = id;
    const key = artifactKey(id);
    if (isVariant(id) && this.#config.budgets.maxVariants === 0) return 'not-stored';
    const priority = isVariant(id) ? 'low' : 'normal';
    const job = new Job(this.#events, { kind: 'store', repository, artifact: id });
    job.start();
    const { buildTimeout } = this.#config.timeouts;
    const put = async (ends: AbortSignal): Promise<'stored'> => {
      const store = this.#store;
      const options = { metadata, priority, ifRevision, signal: ends } as const;
      // Checks this before it sends the bytes: the stored version may have changed meanwhile.
      await checkCondition(store, key, options);
      const putBody = async () => {
        const body = withConditionCheck(store, key, fileBody(spool.path, ends), options);
        return await store.put(key, body, options).finally(() => endBody(body));
      };
      const stored = await (store.putFile?.(key, spool.path, options) ?? putBody());
      if (stored.size !== size) {
        // It would be served as if it were complete.
        await store.delete(key);
        throw new SnapshotError('STORE_FAILED', `the store kept ${stored.size} of ${size} bytes`);
      }
      return 'stored';
    };
    const putInTime = (ends: AbortSignal) => {
      const putting = put(ends);
      return unlessAborted(putting, ends).catch((error: unknown) => {
        // When the service closes, waits until the store has cleaned up. Not at the deadline: a
        // slow store may ignore the signal.
        if (signal.aborted) return putting;
        throw error;
      });
    };
    try {
      const attempt = () =>
        withDeadline(buildTimeout, signal, putInTime, (cause) => {
          const message = `the store took longer than ${buildTimeout} ms`;
          return new SnapshotError('STORE_FAILED', message, { cause });
        });
      const outcome = await this.#room.retry(attempt);
      job.succeed({ outcome, etag, size });
      return outcome;
    } catch (cause) {
      if (isPreconditionFailure(cause)) {
        job.succeed({ outcome: 'superseded', etag, size });
        return 'superseded';
      }
      job.fail(toSnapshotError(cause, repository));
      return 'not-stored';
    }
  }
}
