import pLimit from 'p-limit';
import { SingleFlight } from '../async/single-flight.js';
import type { IngestProgress } from '../pack/ingest-progress.js';
import type { RepositoryId } from '../repository.js';
import { GRACE_PERIOD, removePacks, removeSuperseded, sweep } from './disk/gc.js';
import { inspectMirror } from './disk/integrity.js';
import type { FoundMirror } from './disk/mirror-directory.js';
import { type IncomingFiles, moveIncoming, publish } from './disk/publish.js';
import type { MirrorRevision, RevisionContent, RevisionOnDisk } from './disk/revision.js';
import { readRevision } from './disk/revision-file.js';

/** The right to read a revision: its files stay until the lease is released. */
export interface MirrorLease extends RevisionOnDisk {
  /** Idempotent. */
  release(): void;
}

/** `empty → cloning → ready`; `empty` again when the clone fails, or the mirror is removed. */
export type MirrorState = 'empty' | 'cloning' | 'ready';

const CLONE = 'clone';

/** A repository's mirror, as this process knows it. */
export class Mirror {
  readonly repository: RepositoryId;
  readonly directory: string;
  /** Bytes of its packs and their idx files. */
  bytes = 0;
  /** When a client last requested the repository: milliseconds since the epoch. */
  usedAt = Date.now();
  /** The time that was last written to disk for `usedAt`; 0: none. */
  writtenUsedAt = 0;
  /** Of the clone that runs. */
  cloneProgress: IngestProgress | undefined;
  /**
   * Runs changes of the mirror's files one after another: a new pack may have the name of a
   * superseded one, which nothing may remove meanwhile.
   */
  readonly changeFiles = pLimit(1);
  #revision: MirrorRevision | undefined;
  readonly #clones = new SingleFlight<MirrorRevision | undefined>();
  readonly #leases = new Set<MirrorLease>();
  #superseded: MirrorRevision[] = [];
  /** When leftovers of crashed processes were last removed: milliseconds since the epoch. */
  #sweptAt = Date.now();
  /** Callers that are getting a lease. */
  #users = 0;
  #waiting: (() => void)[] = [];

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

  async idle(): Promise<void> {
    while (this.isInUse) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The mirror is in use during `work`, which gets a lease. */
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
   * Makes an empty mirror ready by `clone`, which finds or makes its files. Callers share it.
   *
   * @returns `undefined` when no files were found.
   */
  async ensureReady(
    clone: () => Promise<FoundMirror | undefined>,
  ): Promise<MirrorRevision | undefined> {
    if (this.#revision !== undefined) return this.#revision;
    const cloning = this.#clones.join(CLONE, async () => {
      const found = await clone();
      if (found === undefined) return undefined;
      const { revision, bytes, usedAt } = found;
      this.bytes = bytes;
      if (usedAt !== undefined) this.usedAt = this.writtenUsedAt = usedAt;
      this.#revision = revision;
      return revision;
    });
    return await cloning.finally(() => this.#wakeIfIdle());
  }

  /** Notes a revision, if it is later. */
  advance(revision: MirrorRevision): void {
    if (this.#revision === undefined || this.#revision.number >= revision.number) return;
    this.#superseded.push(this.#revision);
    this.#revision = revision;
  }

  /** @throws RangeError unless the mirror is ready. */
  lease(onRelease: () => void): MirrorLease {
    const { directory, revision } = this;
    if (revision === undefined) throw new RangeError('the mirror is not ready');
    const release = () => {
      if (!this.#leases.delete(lease)) return;
      this.#wakeIfIdle();
      onRelease();
    };
    const lease: MirrorLease = { directory, revision, release };
    this.#leases.add(lease);
    return lease;
  }

  /** Makes a ready mirror empty: its files are gone, or must not be used. */
  clear(): void {
    if (this.#revision === undefined) return;
    this.#revision = undefined;
    this.#superseded = [];
    this.bytes = 0;
  }

  /**
   * Moves files from `incoming` into the mirror and publishes a revision that names them.
   *
   * @param change as in `publish`; not called if the mirror is gone.
   * @returns `undefined` when nothing was published; then the packs are removed again.
   */
  async publishFiles(
    incoming: string,
    files: IncomingFiles,
    change: (current: MirrorRevision) => RevisionContent | undefined,
  ): Promise<MirrorRevision | undefined> {
    const { directory } = this;
    return await this.changeFiles(async () => {
      await moveIncoming(incoming, directory, files);
      const published = await publish(directory, (current) => current && change(current));
      if (published !== undefined) {
        this.advance(published);
      } else {
        const names = files.packs.map(({ name }) => name);
        await removePacks(directory, names, this.#needed(await readRevision(directory)));
      }
      return published;
    });
  }

  /** Removes superseded revisions without readers; hourly, also leftovers of crashed processes. */
  async collectGarbage(): Promise<void> {
    if (this.#unread().length > 0) await this.changeFiles(() => this.#removeUnread());
    if (Date.now() - this.#sweptAt > GRACE_PERIOD) await this.changeFiles(() => this.#sweep());
  }

  async #removeUnread(): Promise<void> {
    const { directory } = this;
    const unread = this.#unread();
    if (unread.length === 0) return;
    this.#superseded = this.#superseded.filter((revision) => !unread.includes(revision));
    const current = await readRevision(directory);
    // After another process has cloned the mirror again, new packs may have the names of old ones.
    if (current === undefined || unread.some(({ clone }) => clone !== current.clone)) return;
    await removeSuperseded(directory, unread, this.#needed(current));
    this.bytes = await inspectMirror(directory, current);
  }

  async #sweep(): Promise<void> {
    this.#sweptAt = Date.now();
    const current = await readRevision(this.directory);
    // Another process may have cloned the mirror again.
    if (current === undefined || current.clone !== this.#revision?.clone) return;
    await sweep(this.directory, current, this.#needed(current));
  }

  /** Superseded revisions without readers. */
  #unread(): MirrorRevision[] {
    const read = new Set(Array.from(this.#leases, ({ revision }) => revision));
    return this.#superseded.filter((revision) => !read.has(revision));
  }

  /** Revisions whose files must stay. @param current the one on disk. */
  #needed(current: MirrorRevision | undefined): MirrorRevision[] {
    return [this.#revision, current, ...this.#superseded].filter((each) => each !== undefined);
  }

  #wakeIfIdle(): void {
    if (this.isInUse) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
