import { OID_PATTERN } from '../git/object.js';
import type { RepositoryId } from '../repository.js';
import type { Metadata, StoredObject } from '../stores/store.js';
import type { ArtifactInfo, StoredArtifact } from './artifact.js';

/** The inputs that an artifact was built from. */
export interface Provenance {
  /** The basis, as its writer names it; `undefined` if this library did not write it. */
  readonly basis: string | undefined;
  /** As `formatOf`. */
  readonly format: string | undefined;
  /** Identifies the mirror's HEAD and refs. */
  readonly digest: string | undefined;
  /** When the last successful check before the build began; in milliseconds since the epoch. */
  readonly knownAt: number | undefined;
}

export function encodeMetadata(
  { etag, commit }: Pick<ArtifactInfo, 'etag' | 'commit'>,
  { knownAt, ...provenance }: Provenance,
): Metadata {
  const texts = { etag, commit, ...provenance, knownAt: knownAt?.toString() };
  type Entry = [name: string, text: string];
  const isThere = (entry: [string, string | undefined]): entry is Entry => entry[1] !== undefined;
  return Object.fromEntries(Object.entries(texts).filter(isThere));
}

export function provenanceOf({ metadata }: Pick<StoredObject, 'metadata'>): Provenance {
  const { basis, format, digest, knownAt } = metadata;
  const date = Number(knownAt);
  return { basis, format, digest, knownAt: Number.isSafeInteger(date) ? date : undefined };
}

/** An object that this library did not write has no entity tag: its version serves as one. */
export function describeStored(repository: RepositoryId, object: StoredObject): StoredArtifact {
  const { size, storedAt, revision, metadata } = object;
  const { etag, commit } = metadata;
  const isTag = etag !== undefined && ETAG.test(etag);
  return {
    repository,
    etag: isTag ? etag : `"${Buffer.from(revision).toString('hex')}"`,
    commit: commit !== undefined && OID_PATTERN.test(commit) ? commit : undefined,
    size,
    storedAt,
    revision,
    metadata,
  };
}

/** A strong entity tag: RFC 9110, section 8.8.3, in ASCII. */
const ETAG = /^"[\x21\x23-\x7e]*"$/;
