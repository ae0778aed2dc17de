import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { unlessAborted } from '../../async/abort.js';
import { elapsedSince, now, type Time } from '../../async/clock.js';
import { recentlyUsed } from '../../async/recently-used.js';
import type { SignalOptions } from '../../async/signal-options.js';
import { callHost } from '../../call-host.js';
import { checkOptions } from '../../check-options.js';
import { SnapshotError } from '../../errors.js';
import { withStoreFailure } from '../../fs/errors.js';
import { chunksOf, endBody } from '../body.js';
import { sliceOf } from '../range.js';
import type {
  ListOptions,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredObject,
} from '../store.js';
import type { BestEffortWrite } from './best-effort-write.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { LocalTierFill } from './fill-local-tier.js';
import { toStoreError } from './idle-timeout.js';
import { bothTiersFailed, encodeCopy, type Found, LocalCopies, storedIn } from './local-copies.js';
import type { StoreFailure, TieredStoreOptions } from './options.js';
import { type TieredStoreConfig, tieredStoreSchema } from './schema.js';
import { uploadFile } from './upload-file.js';

const MAX_REMEMBERED = 10_000;

/**
 * A local store, such as a directory of this machine, in front of a store that many machines share.
 *
 * - The shared tier decides what is stored, and the store returns its descriptions. A local copy
 *   remembers the shared revision. The store drops the copy when the shared tier has another
 *   revision, or none.
 * - An object without a local copy is read from the shared tier once for all clients: the bytes go
 *   to the clients and into a local copy at the same time. A slower client gets the rest from the
 *   finished copy. If there is no copy, each such client reads on from the shared tier.
 * - The store can't know in advance that a copy will fail, or that the local tier has no room for
 *   it. When that happens, a body that is behind the copy fails if the shared object has been
 *   replaced or deleted. After a copy without room, each client reads objects of that size or
 *   larger from the shared tier from the beginning, until the local tier keeps one.
 * - An object without bytes, such as the record of a check, has no local copy: its description comes
 *   from the shared tier anyway.
 * - Other writes go to both tiers. An object is stored when the shared tier has it. A write that the
 *   shared tier refuses, because the write's condition does not hold, leaves nothing in the local
 *   tier either.
 * - While the shared tier fails, this store works as the local store alone. It serves copies as
 *   they are, and everything else is a miss. Writes go to the local tier, without their condition.
 *   `delete` and `list` fail. If the shared tier fails for one object only, the same holds for that
 *   object. If the shared tier has the object but can't give it, the object is a miss, and a write
 *   in place of nothing replaces it.
 * - When the local tier fails a write, the store works without it. `onDegraded` gets each failure
 *   of a tier. An error that it throws becomes a warning of the process and changes nothing else.
 * - The local tier's files are the files of this store.
 * - Replaced revisions are read from the shared tier, if it keeps them.
 * - Each tier has its own budget. The shared tier does not see reads that the local tier served.
 * - If `put` wrote a copy, only this process knows the shared object of that copy. After a restart,
 *   the object is read from the shared tier again. Copies from `putFile` survive a restart.
 */
export class TieredStore implements SnapshotStore, AsyncDisposable {
  readonly writesConditionally: boolean;
  readonly putFile?: NonNullable<SnapshotStore['putFile']>;
  readonly getFile?: NonNullable<SnapshotStore['getFile']>;
  readonly listReplaced?: NonNullable<SnapshotStore['listReplaced']>;
  readonly #config: TieredStoreConfig;
  readonly #local: LocalCopies;
  readonly #shared: CircuitBreaker;
  readonly #fills = new Map<string, LocalTierFill>();
  /** The shared tier's last answer for a key, and when it came. */
  readonly #answers = recentlyUsed<string, { readonly object: StoredObject; readonly at: Time }>(
    MAX_REMEMBERED,
  );

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: TieredStoreOptions) {
    const config = checkOptions(tieredStoreSchema, options, 'TieredStore');
    const { local, shared } = config;
    this.#config = config;
    this.#local = new LocalCopies(local, {
      ...config,
      onFailure: (key, error) => this.#report({ tier: 'local', key, error }),
    });
    this.#shared = new CircuitBreaker(shared, {
      ...config,
      onFailure: (key, error) => this.#report({ tier: 'shared', key, error }),
    });
    this.writesConditionally = shared.writesConditionally === true;
    const { putFile } = local;
    if (putFile !== undefined) {
      const store = { putFile: putFile.bind(local) };
      this.putFile = (key, file, putOptions = {}) => {
        const metadata = { ...putOptions.metadata };
        return this.#putFile(store, key, file, { ...putOptions, metadata });
      };
    }
    const getFile = local.getFile?.bind(local);
    if (getFile !== undefined) {
      this.getFile = async (key, { revision, signal }) => {
        const { copy } = await this.#find(key, this.#config.localMaxAge, signal);
        if (copy?.object.revision !== revision) return undefined;
        return await getFile(key, { revision: copy.revision, signal });
      };
    }
    if (shared.listReplaced !== undefined) {
      this.listReplaced = async (key, { signal } = {}) => {
        signal?.throwIfAborted();
        return await this.#shared.listReplaced(key, signal);
      };
    }
  }

  /** The failure of the shared tier, until it answers again. */
  get degradation(): SnapshotError | undefined {
    return this.#shared.outage;
  }

  async stat(key: string, { signal }: SignalOptions = {}): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return (await this.#find(key, 0, signal)).current;
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject | undefined> {
    const { range, revision, signal } = options;
    signal?.throwIfAborted();
    // The remembered answer may be out of date, and other processes may replace the object.
    for (const maxAge of [this.#config.localMaxAge, 0, 0]) {
      const { current, copy } = await this.#find(key, maxAge, signal);
      if (current !== undefined && (revision === undefined || revision === current.revision)) {
        const slice = sliceOf(range, current.size);
        if (current.size === 0) return { ...current, body: Readable.from([]) };
        const local = copy && { range, revision: copy.revision, signal };
        const body: Readable | undefined =
          (local && (await this.#local.open(key, local))?.body) ??
          (await this.#fill(current).open(slice, signal));
        if (body !== undefined) return { ...current, body };
      } else if (maxAge === 0) {
        const isReplaced = current !== undefined && this.listReplaced !== undefined;
        return isReplaced ? await this.#shared.open(key, options) : undefined;
      }
    }
    return undefined;
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { signal, ...options }: PutOptions = {},
  ): Promise<StoredObject> {
    const kept = { ...options, metadata: { ...options.metadata } };
    let shared: BestEffortWrite | undefined;
    let local: BestEffortWrite | undefined;
    try {
      signal?.throwIfAborted();
      shared = await this.#shared.write(key, kept);
      for await (const chunk of chunksOf(body, signal)) {
        if (chunk.length === 0) continue;
        local ??= this.#local.write(key, kept);
        await unlessAborted(Promise.all([shared?.write(chunk), local.write(chunk)]), signal);
        if (shared?.hasEnded !== false && local.hasEnded) throw bothTiersFailed();
      }
      const object = await shared?.finish();
      if (local === undefined && object !== undefined) {
        await this.#dropCopy(key);
        this.#remember(key, object);
        return object;
      }
      local ??= this.#local.write(key, kept);
      const copy = await this.#local.replace(key, async () => local?.finish());
      this.#remember(key, object);
      if (object && copy) this.#local.remember({ revision: copy.revision, object });
      return storedIn(object, copy);
    } catch (error) {
      endBody(body);
      await Promise.all([shared?.abort(), local?.abort()]);
      throw error;
    }
  }

  /** @throws SnapshotError `STORE_FAILED` when the shared tier may still have the object. */
  async delete(key: string, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#answers.delete(key);
    await this.#local.delete(key);
    await this.#shared.delete(key);
  }

  /**
   * @throws SnapshotError `STORE_FAILED` when the shared tier fails, because it may have more
   * objects. It gives the objects of both tiers first.
   */
  async *list(options?: ListOptions): AsyncGenerator<StoredObject> {
    const listed = new Set<string>();
    try {
      for await (const object of this.#shared.list(options)) {
        listed.add(object.key);
        yield object;
      }
    } catch (error) {
      for await (const object of this.#local.list(options)) {
        if (!listed.has(object.key)) yield object;
      }
      throw error;
    }
  }

  readonly [Symbol.asyncDispose] = () => this.close();

  /** Ends the copies that are being made. Whoever made the two stores closes them after this. */
  async close(): Promise<void> {
    const fills = [...this.#fills.values()];
    for (const fill of fills) fill.abort(new SnapshotError('CLOSED', 'the store was closed'));
    await Promise.all(fills.map(({ over }) => over));
  }

  /** @param maxAge milliseconds for which the shared tier's last answer is good enough. */
  async #find(key: string, maxAge: number, signal: AbortSignal | undefined): Promise<Found> {
    const copy = await this.#local.stat(key, signal);
    const last = this.#answers.get(key);
    if (last !== undefined && elapsedSince(last.at) < maxAge) {
      if (copy === undefined || copy.object.revision === last.object.revision) {
        return { current: last.object, copy };
      }
    }
    const answer = await this.#shared.stat(key, signal);
    if (answer === 'unanswered') return { current: copy?.object, copy };
    const isCopied = copy !== undefined && copy.object.revision === answer?.revision;
    const isUnreadable = answer !== undefined && !isCopied && this.#shared.isUnreadable(answer);
    const current = isUnreadable ? undefined : answer;
    this.#remember(key, current);
    if (isCopied) return { current, copy };
    if (copy !== undefined) await this.#local.delete(key, copy.revision);
    return { current, copy: undefined };
  }

  /** Deletes the copy of an object that has become empty. */
  async #dropCopy(key: string): Promise<void> {
    const copy = await this.#local.stat(key, undefined);
    if (copy !== undefined) await this.#local.delete(key, copy.revision);
  }

  /** Joins the running fill of this revision, or starts one. */
  #fill(object: StoredObject): LocalTierFill {
    const { key } = object;
    const running = this.#fills.get(key);
    if (running?.object.revision === object.revision) return running;
    const fill = new LocalTierFill(object, {
      ...this.#config,
      shared: this.#shared,
      local: this.#local,
    });
    this.#fills.set(key, fill);
    fill.over.then(() => {
      if (this.#fills.get(key) === fill) this.#fills.delete(key);
    });
    return fill;
  }

  async #putFile(
    store: Required<Pick<SnapshotStore, 'putFile'>>,
    key: string,
    file: string,
    { signal, ...options }: PutOptions,
  ): Promise<StoredObject> {
    const { metadata = {}, priority } = options;
    signal?.throwIfAborted();
    const object = await uploadFile(this.#shared, key, file, options, signal);
    this.#remember(key, object);
    try {
      const copyOptions = { metadata: encodeCopy(metadata, object), priority };
      const move = () => store.putFile(key, file, copyOptions);
      return storedIn(object, await this.#local.replace(key, move));
    } catch (error) {
      if (object === undefined) throw error;
      this.#report({ tier: 'local', key, error: toStoreError(error) });
      await withStoreFailure(() => rm(file, { force: true }));
      return object;
    }
  }

  /** Remembers the shared tier's object; `undefined`: it has none, or did not take the object. */
  #remember(key: string, object: StoredObject | undefined): void {
    if (object === undefined) this.#answers.delete(key);
    else this.#answers.set(key, { object, at: now() });
  }

  #report(failure: StoreFailure): void {
    callHost('onDegraded', () => this.#config.onDegraded(failure));
  }
}
