import pLimit from 'p-limit';
import type { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryOf } from '../repository/identity.js';
import type { MirrorRevision } from './disk/revision.js';
import { type MirrorEvent, type MirrorState, transition } from './state.js';

export interface RevisionAt {
  /** The mirror's. */
  readonly directory: string;
  readonly revision: MirrorRevision;
}

/** The right to read a revision: its files stay until it is given back. */
export interface MirrorLease extends RevisionAt {
  /** Idempotent. */
  release(): void;
}

export interface LeaseOptions {
  /** Called when the mirror is cloned on behalf of this call. */
  onClone?: () => void;
  /** Nobody waits for it: see `JobRunner`. */
  isBackground?: boolean;
}

/** How those who change mirrors get at them. */
export interface MirrorAccess {
  /** Leases the mirror's current revision, as it is on disk; `undefined` when it is gone. */
  lease(mirror: Mirror): Promise<MirrorLease | undefined>;
  /** Sets the mirror aside if that is what reading it failed with. @returns whether it is. */
  setAside(lease: MirrorLease, error: unknown): Promise<boolean>;
  /** Sets the mirror aside because it lacks something that its upstream did not send. */
  giveUp(lease: MirrorLease, error: SnapshotError): Promise<void>;
}

/**
 * One repository's mirror, as this process knows it. The one who claims it clones; everyone else waits
 * for the outcome of that clone, told by a promise.
 *
 * A revision that another one has replaced stays for those who read it.
 */
export class Mirror {
  readonly repository: RepositoryId;
  readonly directory: string;
  /** Bytes of its packs and their idx files. */
  bytes = 0;
  /** When a client last asked for the repository: milliseconds since the epoch. */
  usedAt = Date.now();
  /** When that was last written down; 0: never. */
  notedAt = 0;
  /** When what crashes left was last looked for: milliseconds since the epoch. */
  sweptAt = Date.now();
  #state: MirrorState = 'empty';
  #revision: MirrorRevision | undefined;
  #outcome: Promise<MirrorRevision> | undefined;
  /**
   * Lets what adds files to the mirror and names them, and what removes files that nothing names, happen
   * one after the other: what comes may have the name of what goes.
   */
  readonly changeFiles = pLimit(1);
  readonly #leases = new Map<number, number>();
  #superseded: MirrorRevision[] = [];
  #uses = 0;
  #waiting: (() => void)[] = [];

  /** @param repository may be the id of an artifact: no more of it than this is kept, and written down. */
  constructor(repository: RepositoryId, directory: string) {
    this.repository = repositoryOf(repository);
    this.directory = directory;
  }

  get state(): MirrorState {
    return this.#state;
  }

  /** The current one, as far as this process knows; `undefined` unless it is ready. */
  get revision(): MirrorRevision | undefined {
    return this.#revision;
  }

  get isInUse(): boolean {
    return this.#leases.size > 0 || this.#uses > 0 || this.#state === 'cloning';
  }

  /** Resolves when it is not in use. */
  async idle(): Promise<void> {
    while (this.isInUse) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Counts as a use of it while `lease` is getting a lease, which takes a while. */
  async keepInUse<T>(lease: () => Promise<T>): Promise<T> {
    this.#uses++;
    try {
      return await lease();
    } finally {
      this.#uses--;
      this.#wakeIfIdle();
    }
  }

  /**
   * The mirror's revision, made by `clone` if it is empty. Of any number of callers one clones; its
   * failure is everyone's, and leaves the mirror empty.
   */
  ensureReady(clone: () => Promise<MirrorRevision>): Promise<MirrorRevision> {
    if (this.#revision !== undefined) return Promise.resolve(this.#revision);
    // No await between this check and the claim: the claim is atomic.
    if (this.#outcome !== undefined) return this.#outcome;
    this.#apply('claim');
    this.#outcome = this.#clone(clone).finally(() => {
      this.#outcome = undefined;
    });
    return this.#outcome;
  }

  /** Makes a later revision the current one. An earlier one, or the same, changes nothing. */
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

  /** Whether there are revisions that were replaced and that nobody reads. */
  get hasUnread(): boolean {
    return this.#superseded.some(({ number }) => !this.#leases.has(number));
  }

  /** Gives up the revisions that were replaced and that nobody reads. @returns them. */
  takeUnread(): MirrorRevision[] {
    const unread = this.#superseded.filter(({ number }) => !this.#leases.has(number));
    this.#superseded = this.#superseded.filter(({ number }) => this.#leases.has(number));
    return unread;
  }

  /** The current revision, and those that are still read. */
  get needed(): readonly MirrorRevision[] {
    return this.#revision === undefined ? this.#superseded : [this.#revision, ...this.#superseded];
  }

  /** Its files are gone, or not to be used any more. */
  lose(): void {
    if (this.#state !== 'ready') return;
    this.#apply('lose');
    this.#revision = undefined;
    this.#superseded = [];
    this.bytes = 0;
  }

  async #clone(clone: () => Promise<MirrorRevision>): Promise<MirrorRevision> {
    try {
      const revision = await clone();
      this.#apply('complete');
      this.#revision = revision;
      return revision;
    } catch (error) {
      this.#apply('fail');
      throw error;
    } finally {
      this.#wakeIfIdle();
    }
  }

  #wakeIfIdle(): void {
    if (this.isInUse) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #apply(event: MirrorEvent): void {
    const next = transition(this.#state, event);
    if (next === undefined) throw new RangeError(`${event} is not possible in ${this.#state}`);
    this.#state = next;
  }
}
