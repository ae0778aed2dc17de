import pLimit from 'p-limit';
import { SingleFlight } from '../async/single-flight.js';
import type { RepositoryId } from '../repository.js';
import type { MirrorRevision, RevisionOnDisk } from './disk/revision.js';

/** The right to read a revision: its files stay until the lease is released. */
export interface MirrorLease extends RevisionOnDisk {
  /** Idempotent. */
  release(): void;
}

/** `empty → cloning → ready`; `empty` again when the clone fails, or the mirror is removed. */
export type MirrorState = 'empty' | 'cloning' | 'ready';

const CLONE = 'clone';

/** A repository's mirror, as this process knows it. Superseded revisions with readers stay. */
export class Mirror {
  readonly repository: RepositoryId;
  readonly directory: string;
  /** Bytes of its packs and their idx files. */
  bytes = 0;
  /** When a client last asked for the repository: milliseconds since the epoch. */
  usedAt = Date.now();
  /** The time that was last written to disk for `usedAt`; 0: none. */
  writtenUsedAt = 0;
  /** When files that crashed processes left were last removed: milliseconds since the epoch. */
  sweptAt = Date.now();
  /** Runs changes of the mirror's files one after another: see `ChangingMirror`. */
  readonly changeFiles = pLimit(1);
  #revision: MirrorRevision | undefined;
  readonly #clones = new SingleFlight<MirrorRevision>();
  /** Number of a revision → how many leases it has. */
  readonly #leases = new Map<number, number>();
  #superseded: MirrorRevision[] = [];
  /** Callers that are getting a lease. */
  #users = 0;
  #waiting: (() => void)[] = [];

  /** @param repository may be the id of an artifact; the mirror keeps only its repository. */
  constructor(repository: RepositoryId, directory: string) {
    this.repository = repository;
    this.directory = directory;
  }

  get state(): MirrorState {
    if (this.#revision !== undefined) return 'ready';
    return this.#clones.running(CLONE) === undefined ? 'empty' : 'cloning';
  }

  /** The latest revision that this process knows of; `undefined` unless the mirror is ready. */
  get revision(): MirrorRevision | undefined {
    return this.#revision;
  }

  get isInUse(): boolean {
    return this.#leases.size > 0 || this.#users > 0 || this.state === 'cloning';
  }

  /** Resolves when the mirror is not in use. */
  async idle(): Promise<void> {
    while (this.isInUse) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Runs `work`, which gets a lease. The mirror is in use meanwhile. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    this.#users++;
    try {
      return await work();
    } finally {
      this.#users--;
      this.#wakeIfIdle();
    }
  }

  /**
   * Returns the mirror's revision, which `clone` makes if the mirror is empty. All callers that
   * come meanwhile share that clone. If it fails, the mirror is empty again.
   */
  async ensureReady(clone: () => Promise<MirrorRevision>): Promise<MirrorRevision> {
    if (this.#revision !== undefined) return this.#revision;
    try {
      return await this.#clones.join(CLONE, async () => {
        const revision = await clone();
        this.#revision = revision;
        return revision;
      });
    } finally {
      this.#wakeIfIdle();
    }
  }

  /** Takes note of a later revision. Ignores one that is not later. */
  advance(revision: MirrorRevision): void {
    if (this.#revision === undefined || this.#revision.number >= revision.number) return;
    this.#superseded.push(this.#revision);
    this.#revision = revision;
  }

  /** @throws RangeError unless the mirror is ready. */
  lease(onRelease: () => void): MirrorLease {
    const { directory } = this;
    const revision = this.#revision;
    if (revision === undefined) throw new RangeError('the mirror is not ready');
    const { number } = revision;
    this.#leases.set(number, (this.#leases.get(number) ?? 0) + 1);
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      const left = (this.#leases.get(number) ?? 1) - 1;
      if (left === 0) this.#leases.delete(number);
      else this.#leases.set(number, left);
      this.#wakeIfIdle();
      onRelease();
    };
    return { directory, revision, release };
  }

  /** Whether there are superseded revisions without readers. */
  get hasUnread(): boolean {
    return this.#superseded.some(({ number }) => !this.#leases.has(number));
  }

  /** Returns and forgets superseded revisions without readers: the caller removes their files. */
  takeUnread(): MirrorRevision[] {
    const unread = this.#superseded.filter(({ number }) => !this.#leases.has(number));
    this.#superseded = this.#superseded.filter(({ number }) => this.#leases.has(number));
    return unread;
  }

  /** The current revision, and superseded ones that have readers. */
  get needed(): readonly MirrorRevision[] {
    return this.#revision === undefined ? this.#superseded : [this.#revision, ...this.#superseded];
  }

  /** Makes a ready mirror empty: its files are gone, or must not be used. */
  clear(): void {
    if (this.#revision === undefined) return;
    this.#revision = undefined;
    this.#superseded = [];
    this.bytes = 0;
  }

  #wakeIfIdle(): void {
    if (this.isInUse) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
