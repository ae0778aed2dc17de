import { rm } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { SnapshotError } from '../../errors.js';
import { withStoreFailure } from '../../fs/failure.js';
import { callHost } from '../../host-call.js';
import { adoptMethod } from '../abilities.js';
import { TargetWriter } from '../object-writer.js';
import { sliceOf } from '../range.js';
import type {
  AdoptOptions,
  CreateOptions,
  ListOptions,
  Metadata,
  ObjectBody,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoreAbilities,
  StoredObject,
  StoreFailure,
} from '../store.js';
import { lost, throwIfLost } from './best-effort-write.js';
import { FarCircuitBreaker } from './far-circuit-breaker.js';
import { NearTierFill } from './fill-near-tier.js';
import { decodeCopy, encodeCopy, NearCopies, type NearCopy } from './near-copies.js';
import {
  parseTieredStoreOptions,
  type TieredStoreConfig,
  type TieredStoreOptions,
} from './options.js';
import { toStoreError } from './stall-timeout.js';
import { uploadFile } from './upload-file.js';

export type { TieredStoreOptions } from './options.js';

const MAX_REMEMBERED = 10_000;
/** Objects may be replaced while they are looked for. */
const MAX_ATTEMPTS = 3;

interface Look {
  readonly current: StoredObject | undefined;
  /** If it is one of `current`. */
  readonly copy: NearCopy | undefined;
}

/**
 * A near store, such as a directory of this machine, before a far one that many machines share.
 *
 * - What the far tier has is what is stored, and its descriptions are the store's. A near copy remembers
 *   the far revision; it is dropped when the far tier has another one, or none.
 * - What is not near is read from the far tier once, however many ask for it: it is sent to them and
 *   copied at the same time. Whoever is slower than that gets the rest from the copy, when it is done.
 *   Without a copy each reads on from the far tier, for itself.
 * - That the near tier fails a copy, or has no room for it, is known only when that happens. A body that
 *   was read more slowly than it was copied until then fails when the far tier has got another object in
 *   the meantime, or none. What is as large as what had no room is expected to have none either, until
 *   such a copy is kept: each reads it from the far tier from the beginning.
 * - Writes go to both. An object is stored when the far tier has committed it. A write that the far tier
 *   refuses, because it has something else than was to be replaced, leaves nothing near either.
 * - While the far tier fails, this store is the near one: copies are served as they are, anything else
 *   is a miss, and writes go to the near tier alone, whatever they were to replace, until the far tier
 *   answers again. `delete` fails. When it fails about one object only, that holds for this object; what it
 *   has but can't give is a miss, and a write in place of nothing takes its place.
 *   A near tier that fails a write is done without. `onFailure` is told of each such failure; what it
 *   throws becomes a warning of the process, and changes nothing else.
 * - What is read of a replaced revision comes from the far tier, if that keeps such ones.
 * - The tiers have budgets of their own. That of the far tier sees only uses that the near one didn't serve.
 * - A copy that was written by `create`, other than by `adopt`, is known only to this process: after a
 *   restart it is read from the far tier again.
 */
export class TieredStore implements SnapshotStore {
  readonly abilities: StoreAbilities;
  readonly adopt?: NonNullable<SnapshotStore['adopt']>;
  readonly #config: TieredStoreConfig;
  readonly #near: NearCopies;
  readonly #far: FarCircuitBreaker;
  readonly #fills = new Map<string, NearTierFill>();
  /** What the far tier said last, and when: by `performance.now()`. */
  readonly #seen = new LRUCache<string, { readonly object: StoredObject; readonly at: number }>({
    max: MAX_REMEMBERED,
  });
  readonly #listeners: ((failure: StoreFailure) => void)[] = [];

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: TieredStoreOptions) {
    const config = parseTieredStoreOptions(options);
    const { near, far, onFailure } = config;
    this.#config = config;
    this.#near = new NearCopies(near, {
      ...config,
      onFailure: (key, error) => this.#report({ tier: 'near', key, error }),
    });
    this.#far = new FarCircuitBreaker(far, {
      ...config,
      onFailure: (key, error) => this.#report({ tier: 'far', key, error }),
    });
    if (onFailure !== undefined) this.#listeners.push(onFailure);
    const { persistent, ranksObjects, writesConditionally, keepsReplaced } = far.abilities;
    const adopt = adoptMethod(near);
    this.abilities = {
      adoptsFiles: adopt !== undefined,
      persistent,
      ranksObjects,
      writesConditionally,
      keepsReplaced,
    };
    if (adopt !== undefined) {
      const adoptNear = this.#near.adopt(adopt);
      this.adopt = (key, file, metadata, adoptOptions = {}) =>
        this.#adopt(key, file, { ...metadata }, adoptOptions, adoptNear);
    }
  }

  /** What a listener throws becomes a warning of the process. */
  watch(onFailure: (failure: StoreFailure) => void): void {
    this.#listeners.push(onFailure);
  }

  async stat(
    key: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return (await this.#look(key, undefined, signal)).current;
  }

  async open(
    key: string,
    { range, revision, signal }: OpenOptions = {},
  ): Promise<OpenedObject | undefined> {
    signal?.throwIfAborted();
    let maxAge: number | undefined = this.#config.checkInterval;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { current, copy } = await this.#look(key, maxAge, signal);
      const isWanted = revision === undefined || revision === current?.revision;
      if (current !== undefined && isWanted) {
        const slice = sliceOf(range, current.size);
        const near = copy && { range, revision: copy.revision, signal };
        const body: ObjectBody | undefined =
          (near && (await this.#near.open(key, near))?.body) ??
          (await this.#fill(current).open(slice, signal));
        if (body !== undefined) return { ...current, body };
      } else if (maxAge === undefined) {
        const isReplaced = current !== undefined && this.abilities.keepsReplaced;
        return isReplaced ? await this.#far.open(key, { range, revision, signal }) : undefined;
      }
      // What is remembered of the far tier may be no longer true.
      maxAge = undefined;
    }
    return undefined;
  }

  async create(
    key: string,
    metadata: Metadata,
    { signal, expendable = false, replaces }: CreateOptions = {},
  ): Promise<ObjectWriter> {
    signal?.throwIfAborted();
    const kept = { ...metadata };
    const far = await this.#far.write(key, kept, { expendable, replaces });
    const near = await this.#near.write(key, kept, expendable);
    const target = {
      append: async (chunk: Uint8Array) => {
        await Promise.all([far.write(chunk), near.write(chunk)]);
        throwIfLost(far, near);
      },
      publish: async () => {
        throwIfLost(far, near);
        const object = await far.commit();
        const copy = await this.#near.commit(key, near);
        this.#note(key, object, copy);
        const stored = object ?? (copy && decodeCopy(copy)?.object);
        if (stored === undefined) throw lost();
        return stored;
      },
      discard: async () => {
        await Promise.all([far.abort(), near.abort()]);
      },
    };
    return new TargetWriter(target, signal);
  }

  /** @throws SnapshotError `STORE_FAILED` when the far tier still has it: it would come back. */
  async delete(key: string): Promise<void> {
    this.#seen.delete(key);
    await this.#near.delete(key);
    await this.#far.insist(key, (store) => store.delete(key));
  }

  async replaced(
    key: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<readonly StoredObject[]> {
    signal?.throwIfAborted();
    return await this.#far.replaced(key, signal);
  }

  async *list(options?: ListOptions): AsyncGenerator<StoredObject> {
    const listed = new Set<string>();
    try {
      for await (const object of this.#far.list(options)) {
        listed.add(object.key);
        yield object;
      }
      return;
    } catch {
      // It has been reported.
    }
    for await (const object of this.#near.list(options)) {
      if (!listed.has(object.key)) yield object;
    }
  }

  async close(): Promise<void> {
    const fills = [...this.#fills.values()];
    for (const fill of fills) fill.abort(new SnapshotError('CLOSED', 'the store was closed'));
    await Promise.all(fills.map(({ over }) => over));
    await Promise.all([this.#near.close(), this.#config.far.close?.()]);
  }

  /** @param maxAge milliseconds for which the far tier's last answer is good enough. Default: none. */
  async #look(
    key: string,
    maxAge: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Look> {
    const copy = await this.#near.stat(key, signal);
    const seen = this.#seen.get(key);
    if (seen !== undefined && maxAge !== undefined && performance.now() - seen.at < maxAge) {
      if (copy === undefined || copy.object.revision === seen.object.revision) {
        return { current: seen.object, copy };
      }
    }
    const answer = await this.#far.stat(key, signal);
    if (answer === undefined) return { current: copy?.object, copy };
    const { value } = answer;
    const isCopied = copy !== undefined && copy.object.revision === value?.revision;
    const isUnreadable = value !== undefined && !isCopied && this.#far.isUnreadable(value);
    const current = isUnreadable ? undefined : value;
    if (current === undefined) this.#seen.delete(key);
    else this.#seen.set(key, { object: current, at: performance.now() });
    if (copy === undefined || copy.object.revision === current?.revision) return { current, copy };
    await this.#near.delete(key, copy.revision);
    return { current, copy: undefined };
  }

  /** The fill of this revision that runs, or one that begins now. */
  #fill(object: StoredObject): NearTierFill {
    const { key } = object;
    const running = this.#fills.get(key);
    if (running?.object.revision === object.revision) return running;
    const { stallTimeout } = this.#config;
    const fill = new NearTierFill(object, { far: this.#far, near: this.#near, stallTimeout });
    this.#fills.set(key, fill);
    fill.over.then(() => {
      if (this.#fills.get(key) === fill) this.#fills.delete(key);
    });
    return fill;
  }

  async #adopt(
    key: string,
    file: string,
    metadata: Metadata,
    { expendable = false, replaces, signal }: AdoptOptions,
    adopt: NonNullable<SnapshotStore['adopt']>,
  ): Promise<StoredObject> {
    signal?.throwIfAborted();
    const options = { expendable, replaces, signal };
    const object = await uploadFile(file, this.#far, key, metadata, options);
    this.#note(key, object, undefined);
    try {
      const copy = await adopt(key, file, encodeCopy(metadata, object), { expendable });
      return object ?? decodeCopy(copy)?.object ?? copy;
    } catch (error) {
      if (object === undefined) throw error;
      this.#report({ tier: 'near', key, error: toStoreError(error) });
      await withStoreFailure(() => rm(file, { force: true }));
      return object;
    }
  }

  /** What was committed, if it was. */
  #note(key: string, object: StoredObject | undefined, copy: StoredObject | undefined): void {
    if (object === undefined) {
      this.#seen.delete(key);
      return;
    }
    this.#seen.set(key, { object, at: performance.now() });
    if (copy !== undefined) this.#near.note(copy, object);
  }

  #report(failure: StoreFailure): void {
    for (const listener of this.#listeners) {
      callHost('a listener to failures of a tier', () => listener(failure));
    }
  }
}
