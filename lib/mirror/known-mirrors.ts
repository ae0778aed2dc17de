import { unlessAborted } from '../async/abort.js';
import { SingleFlight } from '../async/single-flight.js';
import { Tally } from '../async/tally.js';
import { isDamage, type SnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import type { MirrorEvictedEvent } from '../events/events.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { Evictable } from '../stores/evictable.js';
import { findDamage } from './disk/integrity.js';
import type { MirrorDirectory } from './disk/mirror-directory.js';
import type { MirrorRevision, RevisionOnDisk } from './disk/revision.js';
import { isSuperseded, readRevision } from './disk/revision-file.js';
import { Mirror, type MirrorLease } from './mirror.js';

export interface KnownMirrorsParts {
  readonly directory: MirrorDirectory;
  readonly events: SnapshotEmitter;
  /** Bytes that all mirrors together may have. */
  readonly maxBytes: number;
  readonly onRelease: (mirror: Mirror) => void;
}

/**
 * The mirrors that this process knows: ready mirrors, and mirrors that a caller waits for. Other
 * processes may evict and discard them, too, so each lease reads the current revision.
 */
export class KnownMirrors {
  readonly #parts: KnownMirrorsParts;
  readonly #mirrors = new Map<string, Mirror>();
  readonly #evictions = new SingleFlight<void>();
  readonly #budget = new SingleFlight<void>();
  /** By repository: callers that keep its mirror. */
  readonly #keepers = new Tally();

  constructor(parts: KnownMirrorsParts) {
    this.#parts = parts;
  }

  find(repository: RepositoryId): Mirror | undefined {
    return this.#mirrors.get(repositoryKey(repository));
  }

  list(): Mirror[] {
    return [...this.#mirrors.values()];
  }

  /** Finds the repository's mirror, or adds an empty one. */
  obtain(repository: RepositoryId): Mirror {
    const found = this.find(repository);
    if (found !== undefined) return found;
    const mirror = new Mirror(repository, this.#parts.directory.pathOf(repository));
    this.#mirrors.set(repositoryKey(repository), mirror);
    return mirror;
  }

  /** Forgets an empty mirror: repository names that clients make up must not fill the memory. */
  forgetIfEmpty(mirror: Mirror): void {
    if (mirror.state === 'empty' && this.find(mirror.repository) === mirror) {
      this.#mirrors.delete(repositoryKey(mirror.repository));
    }
  }

  /** Forgets a ready mirror if its files are gone. */
  async forgetIfGone(mirror: Mirror): Promise<void> {
    if (!(await this.#parts.directory.has(mirror.directory))) this.#clear(mirror);
  }

  /** Leases the mirror's current revision on disk; `undefined` when the mirror is gone. */
  async lease(mirror: Mirror): Promise<MirrorLease | undefined> {
    const known = mirror.revision;
    let revision: MirrorRevision | undefined;
    try {
      revision = await readRevision(mirror.directory);
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (mirror.state === 'ready') await this.discard(mirror, error);
      return undefined;
    }
    // Another process may have evicted the mirror, and may have cloned it again.
    const isSameClone = known?.clone === revision?.clone;
    if (revision === undefined || mirror.state !== 'ready' || !isSameClone) {
      this.#clear(mirror);
      return undefined;
    }
    mirror.advance(revision);
    return mirror.lease(() => this.#parts.onRelease(mirror));
  }

  /**
   * Evicts the repository's mirror when it is no longer in use. Meanwhile new users wait for
   * `evictionEnded`: otherwise a mirror in constant use would never be evicted.
   *
   * @throws the signal's reason.
   */
  evict(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    return this.#evictions.join(repositoryKey(repository), async () => {
      const { directory } = this.#parts;
      let mirror = this.find(repository);
      while (mirror?.isInUse) {
        await unlessAborted(mirror.idle(), signal);
        mirror = this.find(repository);
      }
      if (mirror !== undefined) await this.#evict(mirror, 'removed');
      else await directory.remove(directory.pathOf(repository));
    });
  }

  /** @throws the signal's reason. */
  async evictionEnded(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#evictions.ended(repositoryKey(repository)), signal);
  }

  /**
   * Makes `keepBudget` keep the repository's mirror, even one that is cloned later, until the
   * returned function is called, once. `evict` does not wait for that: so the caller may lease the
   * mirror again.
   */
  keep(repository: RepositoryId): () => void {
    const key = repositoryKey(repository);
    this.#keepers.add(key, 1);
    return () => this.#keepers.add(key, -1);
  }

  /** The mirrors that `keepBudget` may evict. */
  evictables(): Evictable[] {
    return this.list()
      .filter((mirror) => mirror.state === 'ready' && this.#isEvictable(mirror))
      .map((mirror) => ({
        bytes: mirror.bytes,
        usedAt: mirror.usedAt,
        evict: async () => {
          if (this.#isEvictable(mirror)) await this.#evict(mirror, 'budget');
        },
      }));
  }

  get isOverBudget(): boolean {
    return totalBytes(this.list()) > this.#parts.maxBytes;
  }

  /** Evicts the least recently used mirrors that are not in use, until the rest fits the budget. */
  keepBudget(): Promise<void> {
    // Several runs at once would evict too much: each for bytes that another one is freeing.
    return this.#budget.joinNext('budget', async () => {
      // Called after each use of a mirror: with many mirrors, sorting costs more than a sum.
      if (!this.isOverBudget) return;
      const mirrors = this.list().sort((a, b) => a.usedAt - b.usedAt);
      let total = totalBytes(mirrors);
      for (const mirror of mirrors) {
        if (total <= this.#parts.maxBytes) return;
        if (!this.#isEvictable(mirror)) continue;
        total -= mirror.bytes;
        await this.#evict(mirror, 'budget');
      }
    });
  }

  /** Removes a mirror that is damaged or incomplete. The next request clones it again. */
  async discard(mirror: Mirror, error: SnapshotError): Promise<void> {
    this.#clear(mirror);
    this.#parts.events.emit('mirrorCorrupted', { repository: mirror.repository, error });
    await this.#parts.directory.remove(mirror.directory, mirror.changeFiles);
  }

  /**
   * Discards a mirror if a read failed because the mirror is damaged, unless it has changed since.
   *
   * @returns whether the read can be tried again with another lease.
   */
  async discardIfDamaged(read: RevisionOnDisk, error: unknown): Promise<boolean> {
    const damage = await findDamage(read, error);
    if (damage === undefined) return false;
    const { revision } = read;
    const mirror = this.find(revision.repository);
    if (mirror === undefined || mirror.revision !== revision) return true;
    const isCurrent = !(await isSuperseded(read));
    if (isCurrent && mirror.revision === revision) await this.discard(mirror, damage);
    return true;
  }

  #isEvictable({ isInUse, repository }: Mirror): boolean {
    return !isInUse && this.#keepers.of(repositoryKey(repository)) === 0;
  }

  async #evict(mirror: Mirror, reason: MirrorEvictedEvent['reason']): Promise<void> {
    const { repository, bytes } = mirror;
    if (mirror.state !== 'ready') return;
    this.#clear(mirror);
    await this.#parts.directory.remove(mirror.directory, mirror.changeFiles);
    this.#parts.events.emit('mirrorEvicted', { repository, bytes, reason });
  }

  #clear(mirror: Mirror): void {
    mirror.clear();
    this.forgetIfEmpty(mirror);
  }
}

function totalBytes(mirrors: readonly Mirror[]): number {
  return mirrors.reduce((sum, { bytes }) => sum + bytes, 0);
}
