import { unlessAborted } from '../async/abort.js';
import { SingleFlight } from '../async/single-flight.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { MirrorDirectory } from './disk/mirror-directory.js';
import type { KnownMirrors } from './known-mirrors.js';

export interface EvictionsParts {
  readonly mirrors: KnownMirrors;
  readonly directory: MirrorDirectory;
  /** Bytes that all mirrors together may have. */
  readonly maxBytes: number;
}

/** Evicts mirrors: by request, and to stay within a budget. */
export class Evictions {
  readonly #parts: EvictionsParts;
  readonly #requested = new SingleFlight<void>();

  constructor(parts: EvictionsParts) {
    this.#parts = parts;
  }

  /**
   * Evicts the repository's mirror when it is no longer in use. Meanwhile new users must wait (see
   * `finished`): a mirror in constant use would never be evicted.
   *
   * @throws the signal's reason.
   */
  evict(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    return this.#requested.join(repositoryKey(repository), async () => {
      const { mirrors, directory } = this.#parts;
      let mirror = mirrors.find(repository);
      while (mirror?.isInUse) {
        await unlessAborted(mirror.idle(), signal);
        mirror = mirrors.find(repository);
      }
      if (mirror !== undefined) await mirrors.evict(mirror);
      else await directory.remove(directory.pathOf(repository));
    });
  }

  /**
   * Waits until no eviction of the repository is requested.
   *
   * @throws the signal's reason.
   */
  async finished(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    const key = repositoryKey(repository);
    for (let run = this.#requested.running(key); run; run = this.#requested.running(key)) {
      // A failure concerns only the callers that requested the eviction.
      await unlessAborted(
        run.catch(() => {}),
        signal,
      );
    }
  }

  /** Evicts the least recently used mirrors that are not in use, until the rest fits the budget. */
  async keepBudget(): Promise<void> {
    const { mirrors, maxBytes } = this.#parts;
    const known = mirrors.list();
    let total = known.reduce((sum, { bytes }) => sum + bytes, 0);
    known.sort((a, b) => a.usedAt - b.usedAt);
    for (const mirror of known) {
      if (total <= maxBytes) return;
      if (mirror.isInUse) continue;
      total -= mirror.bytes;
      await mirrors.evict(mirror);
    }
  }
}
