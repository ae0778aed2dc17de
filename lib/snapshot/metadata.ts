import { OID_PATTERN } from '../git/object.js';
import type { RepositoryId } from '../repository/identity.js';
import type { Metadata, StoredObject } from '../stores/store.js';
import type { ArtifactInfo, StoredArtifact } from './artifact.js';

/*
 * What is written beside an artifact in a store.
 */

/**
 * @param basis what the artifact follows from, as its writer names it.
 * @param format as of `formatOf`.
 */
export function encodeMetadata(
  { etag, commit }: Pick<ArtifactInfo, 'etag' | 'commit'>,
  basis: string,
  format: string,
): Metadata {
  return commit === undefined ? { etag, basis, format } : { etag, commit, basis, format };
}

/** An object that was not put there by this library has no tag; its revision serves as one. */
export function describeStored(repository: RepositoryId, object: StoredObject): StoredArtifact {
  const { size, storedAt, revision, metadata } = object;
  const { etag, commit } = metadata;
  return {
    repository,
    etag:
      etag !== undefined && ETAG.test(etag) ? etag : `"${Buffer.from(revision).toString('hex')}"`,
    commit: commit !== undefined && OID_PATTERN.test(commit) ? commit : undefined,
    size,
    storedAt,
    revision,
  };
}

/** A strong entity tag: RFC 9110, section 8.8.3, in ASCII. */
const ETAG = /^"[\x21\x23-\x7e]*"$/;
