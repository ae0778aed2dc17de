import type { OpenedArtifact, OpenStoredOptions, StoredArtifact } from '../artifact/artifact.js';
import { formatOf, isOnlyReachable } from '../artifact/etag.js';
import { type ArtifactId, isIncremental } from '../artifact/id.js';
import { artifactKey, isVariantKey, repositoryPrefix } from '../artifact/key.js';
import { describeStored, provenanceOf } from '../artifact/metadata.js';
import { recentlyUsed } from '../async/recently-used.js';
import type { SignalOptions } from '../async/signal-options.js';
import type { ServiceConfig } from '../config/options.js';
import type { EvictedEvent } from '../events/events.js';
import { PRUNE_AFTER } from '../mirror/choose-repack.js';
import type { RepositoryId } from '../repository.js';
import { withErrorListener } from '../stores/body.js';
import type {
  DownloadUrlOptions,
  GetFileOptions,
  SnapshotStore,
  StoredFile,
  StoredObject,
} from '../stores/store.js';
import type { StoredState } from './staleness.js';

/** Milliseconds for which a bundle is served. */
const BUNDLE_LIFETIME = 2 * 60 * 60_000;
const MAX_REMEMBERED = 10_000;

/** A stored artifact, and the facts that decide whether it is current. */
export interface Found<T extends StoredArtifact> extends StoredState {
  readonly artifact: T;
}

/** A stored artifact, or a range of it, that is open. */
export type ReadableArtifact = Omit<OpenedArtifact, 'source' | 'outcome'>;

/** Gets the key of each artifact that is deleted. */
export type OnEvict = (key: string, reason: EvictedEvent['reason']) => void;

/** The artifacts in the store. Bounds how many variants are kept of each repository. */
export class StoredArtifacts {
  readonly #config: ServiceConfig;
  readonly #store: SnapshotStore;
  readonly #onEvict: OnEvict;
  /** Key and entity tag → the upstream's digest for which the artifact is known to be current. */
  readonly #verified = recentlyUsed<string, string>(MAX_REMEMBERED);
  /** Key and version of damaged artifacts, which count as not stored. */
  readonly #distrusted = recentlyUsed<string, true>(MAX_REMEMBERED);
  /** Key of a variant → when it was last opened: milliseconds since the epoch. */
  readonly #usedAt = recentlyUsed<string, number>(MAX_REMEMBERED);

  constructor(config: ServiceConfig, store: SnapshotStore, onEvict: OnEvict) {
    this.#config = config;
    this.#store = store;
    this.#onEvict = onEvict;
  }

  async stat(
    id: ArtifactId,
    options: SignalOptions = {},
  ): Promise<Found<StoredArtifact> | undefined> {
    return (await this.look(id, options)).found;
  }

  /** As `stat`, and the stored version, even if it counts as not stored. `null`: there is none. */
  async look(
    id: ArtifactId,
    { signal }: SignalOptions = {},
  ): Promise<{ found: Found<StoredArtifact> | undefined; version: string | null }> {
    const object = await this.#store.stat(artifactKey(id), { signal });
    if (object === undefined) return { found: undefined, version: null };
    const { revision } = object;
    if (this.#isUseless(id, object)) return { found: undefined, version: revision };
    return { found: this.found(id, describeStored(id.repository, object)), version: revision };
  }

  /** The version with one of these tags, stored or recently replaced; never of another format. */
  async statVersion(
    id: ArtifactId,
    etags: readonly string[],
    { signal }: SignalOptions = {},
  ): Promise<StoredArtifact | undefined> {
    const key = artifactKey(id);
    const taggedIn = (objects: readonly StoredObject[]) =>
      objects
        .filter((object) => !this.#isUseless(id, object))
        .map((object) => this.found(id, describeStored(id.repository, object)))
        .find(({ artifact, isOfOtherFormat }) => !isOfOtherFormat && etags.includes(artifact.etag));
    const stored = await this.#store.stat(key, { signal });
    // A deleted artifact is not served, even if the store still has a replaced version.
    if (stored === undefined) return undefined;
    const found =
      taggedIn([stored]) ?? taggedIn((await this.#store.listReplaced?.(key, { signal })) ?? []);
    return found?.artifact;
  }

  async open(
    id: ArtifactId,
    { range, revision, signal }: OpenStoredOptions = {},
  ): Promise<Found<ReadableArtifact> | undefined> {
    const key = artifactKey(id);
    const opened = withErrorListener(await this.#store.open(key, { range, revision, signal }));
    if (opened === undefined) return undefined;
    // Parts of two versions must never be put together, even if a store ignores `revision`.
    const isOther = revision !== undefined && opened.revision !== revision;
    if (isOther || this.#isUseless(id, opened)) {
      opened.body.destroy();
      return undefined;
    }
    this.#usedAt.set(key, Date.now());
    return this.found(id, { ...describeStored(id.repository, opened), body: opened.body });
  }

  /** Whether the store can give URLs of artifacts. */
  get haveUrls(): boolean {
    return this.#store.getDownloadUrl !== undefined;
  }

  /** A URL from which clients can download a version; `undefined`: there is none. */
  async urlOf(id: ArtifactId, options: DownloadUrlOptions): Promise<string | undefined> {
    return this.#used(id, await this.#store.getDownloadUrl?.(artifactKey(id), options));
  }

  /** Whether the store can give files of artifacts. */
  get haveFiles(): boolean {
    return this.#store.getFile !== undefined;
  }

  /** The file of a version, which a web server can send; `undefined`: there is none. */
  async fileOf(id: ArtifactId, options: GetFileOptions): Promise<StoredFile | undefined> {
    return this.#used(id, await this.#store.getFile?.(artifactKey(id), options));
  }

  /** Notes that somebody got what was found of an artifact. */
  #used<T>(id: ArtifactId, found: T | undefined): T | undefined {
    if (found !== undefined) this.#usedAt.set(artifactKey(id), Date.now());
    return found;
  }

  /** Adds the facts that decide whether an artifact is current. */
  found<T extends StoredArtifact>(id: ArtifactId, artifact: T): Found<T> {
    const { storedAt } = artifact;
    const provenance = provenanceOf(artifact);
    const { format } = provenance;
    return {
      artifact,
      storedAt,
      provenance,
      // This library did not write an object without a format.
      isOfOtherFormat: format !== undefined && format !== formatOf(this.#config, id),
      verifiedDigest: this.#verified.get(verifiedKey(id, artifact.etag)),
      isPastRetention: Date.now() - storedAt >= PRUNE_AFTER,
    };
  }

  /** Notes that the artifact with this tag is current for a digest of the upstream. */
  noteCurrent(id: ArtifactId, etag: string, digest: string): void {
    this.#verified.set(verifiedKey(id, etag), digest);
  }

  /** Notes that a stored version is damaged. It stays in the store until it is replaced. */
  distrust(id: ArtifactId, revision: string): void {
    this.#distrusted.set(`${artifactKey(id)} ${revision}`, true);
  }

  /**
   * Called when nothing could be opened. If the store describes a version that it can't open, such as
   * one whose bytes were removed behind its back, that version counts as not stored.
   */
  async distrustUnlessReadable(id: ArtifactId, { signal }: SignalOptions = {}): Promise<void> {
    const { version } = await this.look(id, { signal });
    if (version === null || this.isDistrusted(id, version)) return;
    const found = await this.open(id, { revision: version, signal });
    if (found === undefined) this.distrust(id, version);
    else found.artifact.body.destroy();
  }

  isDistrusted(id: ArtifactId, revision: string): boolean {
    return this.#distrusted.has(`${artifactKey(id)} ${revision}`);
  }

  /** Deletes a stored artifact, even if the store can't describe it at the moment. */
  async delete(key: string, reason: EvictedEvent['reason']): Promise<void> {
    // Only for the event. If the store is down, the deletion below fails.
    const known = await this.#store.stat(key).catch(() => undefined);
    await this.#store.delete(key);
    if (known !== undefined) this.#onEvict(key, reason);
  }

  /**
   * All stored artifacts of a repository except its default snapshot. Cost: a list of the
   * repository's objects.
   *
   * @throws the store's error, perhaps after some artifacts: there may be more.
   */
  async *variantsOf(repository: RepositoryId): AsyncGenerator<StoredObject> {
    for await (const object of this.#store.list({ prefix: repositoryPrefix(repository) })) {
      if (isVariantKey(object.key, repository)) yield object;
    }
  }

  /** Evicts the least recently used variants of a repository above `maxVariants`. */
  async boundVariants(repository: RepositoryId): Promise<void> {
    // A list may give an object twice, such as when it is replaced meanwhile.
    const byKey = new Map<string, StoredObject>();
    for await (const variant of this.variantsOf(repository)) byKey.set(variant.key, variant);
    const variants = [...byKey.values()];
    const { maxVariants } = this.#config.budgets;
    if (variants.length <= maxVariants) return;
    const used = ({ key, storedAt }: StoredObject) =>
      Math.max(storedAt, this.#usedAt.peek(key) ?? 0);
    variants.sort((a, b) => used(b) - used(a));
    for (const { key } of variants.slice(maxVariants)) await this.delete(key, 'variants');
  }

  #isUseless(id: ArtifactId, object: StoredObject): boolean {
    if (isExpired(id, object) || this.isDistrusted(id, object.revision)) return true;
    // Stored before `onlyReachableCommits` was set, the commit may be unreachable.
    return (
      isOnlyReachable(this.#config, id) &&
      provenanceOf(object).format !== formatOf(this.#config, id)
    );
  }
}

/** Whether an incremental bundle is too old, or has an impossible date. */
function isExpired(id: ArtifactId, { storedAt }: StoredObject): boolean {
  return isIncremental(id) && Math.abs(Date.now() - storedAt) >= BUNDLE_LIFETIME;
}

/** The key has the tag, because other processes may replace the artifact. */
function verifiedKey(id: ArtifactId, etag: string): string {
  return `${artifactKey(id)} ${etag}`;
}
