import { defaultSnapshot } from '../artifact/id.js';
import { artifactKey, checkKey } from '../artifact/key.js';
import { BackOff } from '../async/retry.js';
import { Schedule } from '../async/schedule.js';
import { SingleFlight } from '../async/single-flight.js';
import { toSnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { RefresherParts } from './refresher.js';

export interface RemovalParts extends RefresherParts {
  /** Whether the store may hold records of checks. */
  readonly isFleet: boolean;
}

/** Removes repositories: their mirrors and stored artifacts. */
export class Removal {
  readonly #parts: RemovalParts;
  /** Refused repositories that are being deleted, or will be. */
  readonly #forgetting = new Map<string, RepositoryId>();
  readonly #running = new SingleFlight<void>();
  readonly #backOff = new BackOff<RepositoryId>();
  readonly #retries = new Schedule<RepositoryId>((repository) => {
    const key = repositoryKey(repository);
    if (this.#parts.refusals.isToBeRemoved(repository)) this.forget(repository);
    else if (this.#running.running(key) === undefined) this.#forgetting.delete(key);
  });

  constructor(parts: RemovalParts) {
    this.#parts = parts;
    parts.stopping.addEventListener('abort', () => this.#retries.stop(), { once: true });
  }

  /** As `SnapshotService.purge`. */
  async purge(repository: RepositoryId): Promise<void> {
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
    // Last: while nothing is known of the upstream, any stored artifact counts as current.
    known.forget(repository);
  }

  /**
   * Removes a repository that its upstream has refused for too long. The refusal stays known. After
   * a failure, tries again at the next refusal, or after a back-off.
   */
  forget(repository: RepositoryId): void {
    const key = repositoryKey(repository);
    // A copy, because the back-off knows objects: it starts again with the next refusal.
    const forgetting = this.#forgetting.get(key) ?? { ...repository };
    this.#forgetting.set(key, forgetting);
    if (this.#running.running(key) !== undefined) return;
    void this.#report(
      forgetting,
      this.#running.join(key, () => this.#removeAll(forgetting)),
    );
  }

  /** Resolves when no removal runs. */
  async settled(): Promise<void> {
    await this.#running.settled();
  }

  /** Never rejects: a failure is an event. The removal has ended when its event comes. */
  async #report(repository: RepositoryId, removing: Promise<void>): Promise<void> {
    const { events, refusals, closing } = this.#parts;
    const key = repositoryKey(repository);
    try {
      await removing;
      refusals.removed(repository);
      this.#forgetting.delete(key);
      events.emit('repositoryForgotten', { repository, error: undefined });
    } catch (error) {
      if (closing.aborted) return;
      // An attempt that a refusal caused must not lengthen the back-off.
      if (!this.#retries.has(key)) {
        this.#retries.add(key, repository, this.#backOff.failed(repository));
      }
      events.emit('repositoryForgotten', { repository, error: toSnapshotError(error, repository) });
    }
  }

  /** Goes on after a failure, and throws it at the end. */
  async #removeAll(repository: RepositoryId): Promise<void> {
    const { mirrors, closing } = this.#parts;
    // Before the mirror, which may be in use for long: other processes share the store.
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
    await stored.delete(artifactKey(id), 'removed').catch(fail);
    const variants: string[] = [];
    const list = async () => {
      for await (const { key } of stored.variantsOf(repository)) variants.push(key);
    };
    await list().catch(fail);
    for (const key of variants) await stored.delete(key, 'removed').catch(fail);
    if (failures.length > 0) throw failures[0];
  }
}
