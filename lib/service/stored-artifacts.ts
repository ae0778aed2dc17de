import { LRUCache } from 'lru-cache';
import {
  type ArtifactId,
  type GetOptions,
  isBundle,
  isFixed,
  type OpenArtifactOptions,
  type OpenedArtifact,
  type StoredArtifact,
} from '../artifact/artifact.js';
import { bundleBasis, formatOf, isOnlyReachable } from '../artifact/etag.js';
import { artifactKey, isVariantKey } from '../artifact/key.js';
import { describeStored, type Provenance, provenanceOf } from '../artifact/metadata.js';
import type { SnapshotConfig } from '../config/options.js';
import { PRUNE_AFTER } from '../mirror/choose-repack.js';
import { type RepositoryId, repositoryOf } from '../repository.js';
import { replacedVersions } from '../stores/abilities.js';
import type { SnapshotStore, StoredObject, UrlOptions } from '../stores/store.js';
import { isPlausible } from './fleet-checks.js';
import type { UpstreamState } from './upstream-state.js';

/** Milliseconds for which a bundle is served. */
const BUNDLE_LIFETIME = 2 * 60 * 60_000;
const MAX_REMEMBERED = 10_000;

/** A stored artifact, and what it follows from. */
export interface Found<T extends StoredArtifact> {
  readonly artifact: T;
  readonly provenance: Provenance;
  /** Whether it was made by another version of this library, or with other options. */
  readonly isOfOtherFormat: boolean;
}

/** The artifacts in a store: which of them are still what would be generated now, and how many there may be. */
export class StoredArtifacts {
  readonly #config: SnapshotConfig;
  readonly #store: SnapshotStore;
  readonly #onEvict: (key: string) => void;
  /** Key and tag → what the upstream had when the artifact was made, or found to be still the same. */
  readonly #verified = new LRUCache<string, string>({ max: MAX_REMEMBERED });
  /** Key and revision of what turned out to be damaged: as good as not stored. */
  readonly #distrusted = new LRUCache<string, true>({ max: MAX_REMEMBERED });
  /** Key of a variant → when it was last opened: milliseconds since the epoch. */
  readonly #usedAt = new LRUCache<string, number>({ max: MAX_REMEMBERED });

  /** @param onEvict is told of what is deleted here. */
  constructor(config: SnapshotConfig, store: SnapshotStore, onEvict: (key: string) => void) {
    this.#config = config;
    this.#store = store;
    this.#onEvict = onEvict;
  }

  async stat(id: ArtifactId, options: GetOptions = {}): Promise<Found<StoredArtifact> | undefined> {
    return (await this.look(id, options)).found;
  }

  /** As `stat`, with the revision that is stored, also of what is as good as not stored; `null`: nothing. */
  async look(
    id: ArtifactId,
    { signal }: GetOptions = {},
  ): Promise<{ found: Found<StoredArtifact> | undefined; revision: string | null }> {
    const object = await this.#store.stat(artifactKey(id), { signal });
    if (object === undefined) return { found: undefined, revision: null };
    const { revision } = object;
    if (this.#isUseless(id, object)) return { found: undefined, revision };
    const found = this.#found(id, object, describeStored(repositoryOf(id), object));
    return { found, revision };
  }

  /**
   * The stored revision, or a replaced one that the store still has, with one of these tags. What was made
   * by another version of this library, or with other options, is none.
   */
  async pinned(
    id: ArtifactId,
    etags: readonly string[],
    { signal }: GetOptions = {},
  ): Promise<StoredArtifact | undefined> {
    const key = artifactKey(id);
    const pinnedIn = (objects: readonly StoredObject[]) =>
      objects
        .filter((object) => !this.#isUseless(id, object))
        .map((object) => this.#found(id, object, describeStored(repositoryOf(id), object)))
        .find(({ artifact, isOfOtherFormat }) => !isOfOtherFormat && etags.includes(artifact.etag));
    const stored = await this.#store.stat(key, { signal });
    // What was deleted is not served, whatever the store still has.
    if (stored === undefined) return undefined;
    const found =
      pinnedIn([stored]) ?? pinnedIn(await replacedVersions(this.#store, key, { signal }));
    return found?.artifact;
  }

  async open(
    id: ArtifactId,
    { range, revision, signal }: OpenArtifactOptions = {},
  ): Promise<Found<OpenedArtifact> | undefined> {
    const key = artifactKey(id);
    const opened = await this.#store.open(key, { range, revision, signal });
    if (opened === undefined) return undefined;
    if (this.#isUseless(id, opened)) {
      opened.body.destroy();
      return undefined;
    }
    this.#usedAt.set(key, Date.now());
    const described = describeStored(repositoryOf(id), opened);
    const artifact = { ...described, source: 'store' as const, body: opened.body };
    return this.#found(id, opened, artifact);
  }

  /** Whether what is stored may have a URL of its own. */
  get haveUrls(): boolean {
    return this.#store.urlOf !== undefined;
  }

  /** Where clients can download a revision themselves; `undefined`: nowhere. */
  async urlOf(id: ArtifactId, options: UrlOptions): Promise<string | undefined> {
    const key = artifactKey(id);
    const url = await this.#store.urlOf?.(key, options);
    if (url !== undefined) this.#usedAt.set(key, Date.now());
    return url;
  }

  /**
   * Whether an artifact is what would be built now, as far as that is known. Of what another process stored
   * a mirror alone does not tell: it may be the older one. That takes a check that succeeded.
   */
  isCurrent(
    id: ArtifactId,
    {
      artifact,
      provenance: { basis, digest: read, knownAt },
      isOfOtherFormat,
    }: Found<StoredArtifact>,
    { digest, head, checkedAt, trustsOthers }: UpstreamState,
  ): boolean {
    if (isOfOtherFormat) return false;
    if (isBundle(id)) {
      if (head === undefined || basis === bundleBasis(head)) return true;
    } else {
      if (digest === undefined || read === digest) return true;
      if (isFixed(id) && !this.isPastRetention(artifact)) return true;
      const verified = this.#verified.get(verifiedKey(id, artifact.etag));
      if (verified !== undefined) return verified === digest;
    }
    if (checkedAt === undefined) return true;
    if (!trustsOthers || knownAt === undefined) return false;
    return knownAt > checkedAt && isPlausible(knownAt);
  }

  /** Whether it is so old that mirrors may have removed a commit that was pushed away when it was made. */
  isPastRetention({ storedAt }: StoredArtifact): boolean {
    return Date.now() - storedAt >= PRUNE_AFTER;
  }

  /** Takes note that what is stored with this tag follows from what the upstream had then. */
  verify(id: ArtifactId, etag: string, digest: string): void {
    this.#verified.set(verifiedKey(id, etag), digest);
  }

  /** Takes note that a revision turned out to be damaged. It stays where it is until it is replaced. */
  distrust(id: ArtifactId, revision: string): void {
    this.#distrusted.set(`${artifactKey(id)} ${revision}`, true);
  }

  isDistrusted(id: ArtifactId, revision: string): boolean {
    return this.#distrusted.has(`${artifactKey(id)} ${revision}`);
  }

  async delete(key: string): Promise<void> {
    if ((await this.#store.stat(key)) === undefined) return;
    await this.#store.delete(key);
    this.#onEvict(key);
  }

  /** All that is stored of a repository beside its default snapshot. Cost: a list of the store. */
  async variantsOf(repository: RepositoryId): Promise<StoredObject[]> {
    const variants: StoredObject[] = [];
    const matching = (key: string) => isVariantKey(key, repository);
    for await (const object of this.#store.list({ matching })) {
      if (matching(object.key)) variants.push(object);
    }
    return variants;
  }

  /** Removes the variants of a repository that were not used for longest, until no more are left than may be. */
  async boundVariants(repository: RepositoryId): Promise<void> {
    const variants = await this.variantsOf(repository);
    const { maxVariants } = this.#config.limits;
    if (variants.length <= maxVariants) return;
    const used = ({ key, storedAt }: StoredObject) =>
      Math.max(storedAt, this.#usedAt.peek(key) ?? 0);
    variants.sort((a, b) => used(b) - used(a));
    for (const { key } of variants.slice(maxVariants)) await this.delete(key);
  }

  #isUseless(id: ArtifactId, object: StoredObject): boolean {
    if (isExpired(id, object) || this.isDistrusted(id, object.revision)) return true;
    // It was stored before `onlyReachableCommits` was set: nobody looked what leads to the commit.
    return (
      isOnlyReachable(this.#config, id) &&
      provenanceOf(object).format !== formatOf(this.#config, id)
    );
  }

  #found<T extends StoredArtifact>(id: ArtifactId, object: StoredObject, artifact: T): Found<T> {
    const provenance = provenanceOf(object);
    const { format } = provenance;
    // What has none was not put there by this library.
    const isOfOtherFormat = format !== undefined && format !== formatOf(this.#config, id);
    return { artifact, provenance, isOfOtherFormat };
  }
}

/** A bundle that has had its time, or whose date can't be true, is as good as not stored. */
function isExpired(id: ArtifactId, { storedAt }: StoredObject): boolean {
  return isBundle(id) && Math.abs(Date.now() - storedAt) >= BUNDLE_LIFETIME;
}

/** Others who share the store may replace what is stored. */
function verifiedKey(id: ArtifactId, etag: string): string {
  return `${artifactKey(id)} ${etag}`;
}
