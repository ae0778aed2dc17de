import type { EventEmitter } from 'node:events';
import { artifactKey, checkKey } from '../artifact/key.js';
import { toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { type RepositoryId, repositoryKey } from '../repository/identity.js';
import type { SnapshotStore } from '../stores/store.js';
import type { Refusals } from './refusals.js';
import type { StoredArtifacts } from './stored-artifacts.js';
import type { Freshness } from './upstream-checks.js';

export interface RemovalParts {
  readonly events: EventEmitter<SnapshotEvents>;
  readonly mirrors: MirrorManager;
  readonly freshness: Freshness;
  readonly refusals: Refusals;
  readonly stored: StoredArtifacts;
  readonly store: SnapshotStore;
  /** Whether the store may have notes of checks. */
  readonly isFleet: boolean;
  /** Waits until a default snapshot that is complete is stored. */
  readonly untilStored: (repository: RepositoryId) => Promise<void>;
  readonly closing: AbortSignal;
}

/** Removes repositories: mirrors, and all that is stored of them. */
export class Removal {
  readonly #parts: RemovalParts;
  readonly #forgetting = new Map<string, Promise<void>>();

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
    const { store, isFleet, freshness, refusals } = this.#parts;
    await this.#deleteArtifacts(repository);
    if (isFleet) await store.delete(checkKey(repository));
    // Not before: what is stored is served as current if nothing is known of the upstream.
    freshness.forget(repository);
    refusals.end(repository);
  }

  /**
   * Removes a repository that its upstream refuses. That it does so stays known. What fails is tried again at
   * the next refusal.
   */
  forget(repository: RepositoryId): void {
    const key = repositoryKey(repository);
    if (this.#forgetting.has(key)) return;
    const done = this.#forget(repository).finally(() => this.#forgetting.delete(key));
    this.#forgetting.set(key, done);
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#forgetting.values());
  }

  /** Never rejects: what fails is an event. */
  async #forget(repository: RepositoryId): Promise<void> {
    const { events, mirrors, refusals, closing } = this.#parts;
    try {
      // For others who share the store; the mirror may be in use for long.
      await this.#deleteArtifacts(repository);
      await mirrors.evict(repository, closing);
      // What was being built.
      await this.#deleteArtifacts(repository);
      refusals.removed(repository);
      events.emit('forgotten', { repository, error: undefined });
    } catch (error) {
      if (closing.aborted) return;
      events.emit('forgotten', { repository, error: toSnapshotError(error) });
    }
  }

  async #deleteArtifacts(repository: RepositoryId): Promise<void> {
    const { stored, untilStored } = this.#parts;
    await untilStored(repository);
    await stored.delete(artifactKey(repository));
    for (const { key } of await stored.variantsOf(repository)) await stored.delete(key);
  }
}
