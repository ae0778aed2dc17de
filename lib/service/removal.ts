import type { EventEmitter } from 'node:events';
import { artifactKey, checkKey } from '../artifact/key.js';
import { BackOff } from '../async/back-off.js';
import { Schedule } from '../async/schedule.js';
import { toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { SnapshotStore } from '../stores/store.js';
import type { Refusals } from './refusals.js';
import type { StoredArtifacts } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

export interface RemovalParts {
  readonly events: EventEmitter<SnapshotEvents>;
  readonly mirrors: MirrorManager;
  readonly checks: UpstreamChecks;
  readonly refusals: Refusals;
  readonly stored: StoredArtifacts;
  readonly store: SnapshotStore;
  /** Whether the store may have notes of checks. */
  readonly isFleet: boolean;
  /** Waits until a default snapshot that is complete is stored. */
  readonly untilStored: (repository: RepositoryId) => Promise<void>;
  readonly closing: AbortSignal;
}

/** A repository that its upstream refuses, until all of it is deleted. */
interface Forgetting {
  readonly repository: RepositoryId;
  running: Promise<void> | undefined;
}

/** Removes repositories: mirrors, and all that is stored of them. */
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
  }

  /** As `SnapshotService.evict`. */
  async evict(repository: RepositoryId): Promise<void> {
    const { mirrors, closing } = this.#parts;
    await mirrors.evict(repository, closing);
    await this.deleteStored(repository);
  }

  /** Also forgets what is known of the repository. */
  async deleteStored(repository: RepositoryId): Promise<void> {
    const { store, isFleet, checks, refusals } = this.#parts;
    await this.#deleteArtifacts(repository);
    if (isFleet) await store.delete(checkKey(repository));
    await refusals.forget(repository);
    // Not before: what is stored is served as current if nothing is known of the upstream.
    checks.forget(repository);
  }

  /**
   * Removes a repository that its upstream refuses. That it does so stays known. What fails is tried again at
   * the next refusal, and after a while without one.
   */
  forget(repository: RepositoryId): void {
    const key = repositoryKey(repository);
    const forgetting = this.#forgetting.get(key) ?? { repository, running: undefined };
    this.#forgetting.set(key, forgetting);
    forgetting.running ??= this.#forget(forgetting).finally(() => {
      forgetting.running = undefined;
    });
  }

  /** Tries nothing again from now on. Idempotent. */
  stop(): void {
    this.#retries.stop();
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#forgetting.values(), ({ running }) => running));
  }

  /** Never rejects: what fails is an event. */
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
      // Tries that refusals lead to don't make it wait for longer.
      if (!this.#retries.has(key)) {
        this.#retries.add(key, forgetting, this.#backOff.failed(forgetting));
      }
      events.emit('forgotten', { repository, error: toSnapshotError(error) });
    }
  }

  /** Whatever fails, the rest is removed. */
  async #removeAll(repository: RepositoryId): Promise<void> {
    const { mirrors, closing } = this.#parts;
    // For others who share the store; the mirror may be in use for long. What fails is tried again below.
    await this.#deleteArtifacts(repository).catch(() => {});
    try {
      await mirrors.evict(repository, closing);
    } finally {
      // What was being built.
      await this.#deleteArtifacts(repository);
    }
  }

  /** Whatever fails, the rest is deleted. */
  async #deleteArtifacts(repository: RepositoryId): Promise<void> {
    const { stored, untilStored } = this.#parts;
    await untilStored(repository);
    const failures: unknown[] = [];
    const remove = async (key: string) => {
      await stored.delete(key).catch((error: unknown) => failures.push(error));
    };
    await remove(artifactKey(repository));
    for (const { key } of await stored.variantsOf(repository)) await remove(key);
    if (failures.length > 0) throw failures[0];
  }
}
