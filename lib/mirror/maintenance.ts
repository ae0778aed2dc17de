import type { EventEmitter } from 'node:events';
import { stat } from 'node:fs/promises';
import { BackOff } from '../async/back-off.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import { requireFreeSpace } from '../fs/free-space.js';
import type { IngestedPack } from '../pack/ingest.js';
import type { RepositoryId } from '../repository/identity.js';
import { chooseTask, type SizedPack } from './choose-repack.js';
import { packPaths } from './disk/layout.js';
import { bringIn, publish, withIncoming } from './disk/publish.js';
import { type MirrorRevision, packsOf } from './disk/revision.js';
import { readRevision } from './disk/revision-file.js';
import { wasOvertaken } from './disk/superseded.js';
import type { JobRunner } from './job-runner.js';
import type { ConsolidateResult, ConsolidateTask } from './jobs/repack.js';
import type { Mirror, MirrorAccess, MirrorLease } from './mirror.js';

const MAX_ATTEMPTS = 5;

export interface PackKeeperOptions {
  readonly jobs: JobRunner;
  readonly events: EventEmitter<SnapshotEvents>;
  readonly access: MirrorAccess;
  /** Larger packs are never made. */
  readonly maxPackBytes: number;
  /** Told of mirrors that hold less than before. */
  readonly onPruned: (repository: RepositoryId) => void;
  /** Told of mirrors that were removed because something was missing, when nobody reads them any more. */
  readonly onIncomplete: (repository: RepositoryId) => Promise<void>;
}

/**
 * Keeps the packs of mirrors few, and without what no ref leads to any more; looks whether they are
 * complete. It happens beside everything else: what others read stays until they have read it, and what
 * was fetched meanwhile is kept.
 */
export class PackKeeper {
  readonly #options: PackKeeperOptions;
  readonly #running = new Map<Mirror, Promise<void>>();
  readonly #seen = new WeakSet<Mirror>();
  readonly #backOff = new BackOff<Mirror>();
  readonly #closing = new AbortController();

  constructor(options: PackKeeperOptions) {
    this.#options = options;
  }

  /** Begins to look whether a mirror is complete, unless that is known or was begun before. */
  checkConnectivity(mirror: Mirror): void {
    if (mirror.revision?.isConnected !== false || this.#seen.has(mirror)) return;
    this.#seen.add(mirror);
    void this.tidy(mirror);
  }

  /**
   * Does what there is to be done, once for all who ask meanwhile; not so soon after it failed. Never
   * rejects: failing is an event.
   */
  tidy(mirror: Mirror): Promise<void> {
    const running = this.#running.get(mirror);
    if (running !== undefined) return running;
    if (this.#backOff.isWaiting(mirror)) return Promise.resolve();
    const started = this.#tidy(mirror).finally(() => this.#running.delete(mirror));
    this.#running.set(mirror, started);
    return started;
  }

  /** Ends all that runs. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new SnapshotError('CLOSED', 'the service was closed'));
    await Promise.all(this.#running.values());
  }

  async #tidy(mirror: Mirror): Promise<void> {
    const started = performance.now();
    try {
      await this.#keep(mirror, started);
      this.#backOff.succeeded(mirror);
    } catch (cause) {
      if (this.#closing.signal.aborted) return;
      this.#backOff.failed(mirror);
      const { repository } = mirror;
      const milliseconds = performance.now() - started;
      const error = toSnapshotError(cause);
      this.#options.events.emit('consolidationFailed', { repository, milliseconds, error });
    }
  }

  async #keep(mirror: Mirror, started: number): Promise<void> {
    const { repository } = mirror;
    const { access, events, maxPackBytes, onPruned, onIncomplete } = this.#options;
    const lease = await access.lease(mirror);
    if (lease === undefined) return;
    try {
      const packs = chooseTask(lease.revision, await sizesOf(lease), maxPackBytes, Date.now());
      // To find all that is reachable is a check as well.
      if (packs !== 'reachable') await this.#checkConnectivity(mirror, lease);
      if (packs === undefined) return;
      const next = await this.#consolidate(mirror, lease, packs);
      if (next === undefined) return;
      if (packs === 'reachable') onPruned(repository);
      const milliseconds = performance.now() - started;
      events.emit('consolidated', { repository, milliseconds, packs: next.packs.length });
    } catch (error) {
      if (await wasOvertaken(lease, error)) return;
      if ((await access.setAside(lease, error)) || !isIncomplete(error)) throw error;
      await access.giveUp(lease, error);
      lease.release();
      await mirror.idle();
      await onIncomplete(repository);
    } finally {
      lease.release();
    }
  }

  async #checkConnectivity(mirror: Mirror, { directory, revision }: MirrorLease): Promise<void> {
    if (revision.isConnected) return;
    const { repository } = mirror;
    const options = { signal: this.#closing.signal };
    await this.#options.jobs.run(repository, 'connectivity', options, async (_, limits) => {
      return { kind: 'connectivity', mirror: directory, revision, limits };
    });
    // What was fetched meanwhile was checked against what was there before.
    await this.#publish(mirror, (current) =>
      current.clone === revision.clone ? { ...current, isConnected: true } : undefined,
    );
  }

  /** @returns `undefined` when what others did meanwhile has made it useless. */
  async #consolidate(
    mirror: Mirror,
    { directory, revision }: MirrorLease,
    packs: ConsolidateTask['packs'],
  ): Promise<MirrorRevision | undefined> {
    const { repository } = mirror;
    const options = { signal: this.#closing.signal };
    const files = packPaths(directory, packsToRead(revision, packs)).flatMap((path) => [
      `${path}.pack`,
      `${path}.idx`,
    ]);
    // Before it fills the disk, and others fail for want of room.
    await requireFreeSpace(directory, files);
    return await withIncoming(directory, async (incoming) => {
      const result = await this.#options.jobs.run(
        repository,
        'consolidate',
        options,
        async (_, limits) => {
          return { kind: 'consolidate', mirror: directory, revision, packs, incoming, limits };
        },
      );
      const made = [result.combined ?? [], result.pinned ?? []].flat();
      return await bringIn(mirror, incoming, { packs: made }, () =>
        this.#publish(mirror, (current) => replacePacks(current, revision, packs, result)),
      );
    });
  }

  /** @param change makes the next revision of the current one; `undefined` when that is useless. */
  async #publish(
    mirror: Mirror,
    change: (current: MirrorRevision) => Omit<MirrorRevision, 'number'> | undefined,
  ): Promise<MirrorRevision | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const current = await readRevision(mirror.directory);
      const next = current && change(current);
      if (current === undefined || next === undefined) return undefined;
      const published = await publish(mirror.directory, current.number, next);
      if (published === undefined) continue;
      mirror.advance(published);
      return published;
    }
    return undefined;
  }
}

/** Whether something is missing or malformed that was never otherwise. */
function isIncomplete(error: unknown): error is SnapshotError {
  return error instanceof SnapshotError && error.code === 'UPSTREAM_INVALID';
}

/**
 * The current revision with what was made of an earlier one, if that still holds: packs were replaced
 * by nobody else, and refs lead nowhere else.
 */
function replacePacks(
  current: MirrorRevision,
  earlier: MirrorRevision,
  packs: ConsolidateTask['packs'],
  { combined, pinned }: ConsolidateResult,
): Omit<MirrorRevision, 'number'> | undefined {
  if (current.clone !== earlier.clone) return undefined;
  if (packs !== 'reachable' && packs !== 'pinned') {
    if (!includesAll(current.packs, packs)) return undefined;
    return { ...current, packs: [...without(current.packs, packs), ...named(combined)] };
  }
  const isSame =
    current.prunings === earlier.prunings &&
    current.digest === earlier.digest &&
    current.pinned.commits.join() === earlier.pinned.commits.join() &&
    includesAll(current.packs, earlier.packs);
  if (!isSame) return undefined;
  const kept = { ...current, pinned: { ...current.pinned, packs: named(pinned) } };
  if (packs === 'pinned') return kept;
  const later = without(current.packs, earlier.packs);
  return {
    ...kept,
    packs: [...named(combined), ...later],
    garbageSince: undefined,
    prunings: current.prunings + 1,
    isConnected: true,
  };
}

/** Packs that hold all that will be written. */
function packsToRead(revision: MirrorRevision, packs: ConsolidateTask['packs']): readonly string[] {
  if (packs === 'reachable') return packsOf(revision);
  return packs === 'pinned' ? revision.pinned.packs : packs;
}

function includesAll(names: readonly string[], others: readonly string[]): boolean {
  return others.every((name) => names.includes(name));
}

function without(names: readonly string[], others: readonly string[]): string[] {
  return names.filter((name) => !others.includes(name));
}

function named(pack: IngestedPack | undefined): string[] {
  return pack === undefined ? [] : [pack.name];
}

async function sizesOf({ directory, revision }: MirrorLease): Promise<SizedPack[]> {
  const paths = packPaths(directory, revision.packs);
  return await Promise.all(
    revision.packs.map(async (name, i) => ({ name, size: (await stat(`${paths[i]}.pack`)).size })),
  );
}
