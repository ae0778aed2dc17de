import type { EventEmitter } from 'node:events';
import { defaultSnapshot } from '../artifact/id.js';
import { artifactKey, checkKey } from '../artifact/key.js';
import { BackOff } from '../async/retry.js';
import { Schedule } from '../async/schedule.js';
import { toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { SnapshotStore } from '../stores/store.js';
import type { Builds } from './builds.js';
import type { KnownUpstreams } from './known-upstreams.js';
import type { Refusals } from './refusals.js';
import type { StoredArtifacts } from './stored-artifacts.js';

export interface RemovalParts {
  readonly events: EventEmitter<SnapshotEvents>;
  readonly mirrors: MirrorManager;
  readonly known: KnownUpstreams;
  readonly builds: Builds;
  readonly refusals: Refusals;
  readonly stored: StoredArtifacts;
  readonly store: SnapshotStore;
  /** Whether the store may hold records of checks. */
  readonly isFleet: boolean;
  /** Aborts when no removal may be tried again. */
  readonly stopping: AbortSignal;
  readonly closing: AbortSignal;
}

/** A refused repository that is being deleted, or will be. */
interface Forgetting {
  readonly repository: RepositoryId;
  running: Promise<void> | undefined;
}

/** Removes repositories: their mirrors and stored artifacts. */
export class Removal {
  readonly #parts: RemovalParts;
  readonly #forgetting = new Map<string, Forgetting>();
  readonly #backOff = new BackOff<Forgetting>();
  readonly #retries = new Schedule<Forgetting>(({ repository }) => {
    const key = repositoryKey(repository);
    if (this.#parts.refusals.isToBeRemoved(repository)) this.forget(repository);
    else if (this.#forgetting.get(key)?.running === undefined) this.#forgetting.delete(key);
  });

  constructor(parts: RemovalParts) {
    this.#parts = parts;
    parts.stopping.addEventListener('abort', () => this.#retries.stop(), { once: true });
  }

  /** As `SnapshotService.evict`. */
  async evict(repository: RepositoryId): Promise<void> {
    const { mirrors, closing } = this.#parts;
    await mirrors.evict(repository, closing);
    await this.deleteStored(repository);
  }

  /** Deletes the stored artifacts of a repository, and forgets the facts about its upstream. */
  async deleteStored(repository: RepositoryId): Promise<void> {
    const { store, isFleet, known, refusals } = this.#parts;
    await this.#deleteArtifacts(repository);
    if (isFleet) await store.delete(checkKey(repository));
    await refusals.forget(repository);
    // Does this last: while nothing is known of the upstream, any stored artifact counts as
    // current.
    known.forget(repository);
  }

  /**
   * Removes a repository that its upstream has refused for too long. The refusal stays known. After
   * a failure, tries again at the next refusal, or after a back-off.
   */
  forget(repository: RepositoryId): void {
    const key = repositoryKey(repository);
    const forgetting = this.#forgetting.get(key) ?? { repository, running: undefined };
    this.#forgetting.set(key, forgetting);
    forgetting.running ??= this.#forget(forgetting).finally(() => {
      forgetting.running = undefined;
    });
  }

  /** Resolves when no removal runs. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#forgetting.values(), ({ running }) => running));
  }

  /** Never rejects: a failure is an event. */
  async #forget(forgetting: Forgetting): Promise<void> {
    const { events, refusals, closing } = this.#parts;
    const { repository } = forgetting;
    const key = repositoryKey(repository);
    try {
      await this.#removeAll(repository);
      refusals.removed(repository);
      this.#forgetting.delete(key);
      events.emit('forgotten', { repository, error: undefined });
    } catch (error) {
      if (closing.aborted) return;
      // An attempt that a refusal caused must not lengthen the back-off.
      if (!this.#retries.has(key)) {
        this.#retries.add(key, forgetting, this.#backOff.failed(forgetting));
      }
      events.emit('forgotten', { repository, error: toSnapshotError(error) });
    }
  }

  /** Goes on after a failure, and throws it at the end. */
  async #removeAll(repository: RepositoryId): Promise<void> {
    const { mirrors, closing } = this.#parts;
    // Deletes artifacts before the mirror, for other processes that share the store: the mirror may
    // be in use for long. Repeats it below.
    await this.#deleteArtifacts(repository).catch(() => {});
    try {
      await mirrors.evict(repository, closing);
    } finally {
      // Again, for artifacts that were being built.
      await this.#deleteArtifacts(repository);
    }
  }

  /** Goes on after a failure, and throws it at the end. */
  async #deleteArtifacts(repository: RepositoryId): Promise<void> {
    const { stored, builds } = this.#parts;
    const id = defaultSnapshot(repository);
    await builds.untilStored(id);
    const failures: unknown[] = [];
    const fail = (error: unknown) => failures.push(error);
    await stored.delete(artifactKey(id)).catch(fail);
    const variants: string[] = [];
    const list = async () => {
      for await (const { key } of stored.variantsOf(repository)) variants.push(key);
    };
    await list().catch(fail);
    for (const key of variants) await stored.delete(key).catch(fail);
    if (failures.length > 0) throw failures[0];
  }
}
