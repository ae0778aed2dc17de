import { type AllowList, canonicalRepository, hostConfig } from '../config/hosts.js';
import { invalidRequest, SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { isValidRefName } from '../git/refs.js';
import { checkRepository, type RepositoryId, repositoryKey } from '../repository.js';
import type { ArtifactId } from './id.js';

const MAX_REF_BYTES = 255;
const MAX_DEPTH = 0x7fff_ffff;
/** It has no UTF-8 form, but keys of stores have one. */
const LONE_SURROGATE = /\p{Cs}/u;

/**
 * Validates the id of an artifact from a caller without HTTP, and makes its repository canonical.
 *
 * @throws SnapshotError as `allowedRepository`; `INVALID_REQUEST`.
 */
export function canonicalId<Id extends ArtifactId>(config: AllowList, id: Id): Id {
  const repository = allowedRepository(config, id?.repository);
  switch (id.kind) {
    case 'snapshot':
      if ('base' in id) throw invalidRequest('a snapshot has no base');
      if (id.ref !== undefined) checkRef(id.ref);
      if (id.depth !== undefined) checkDepth(id.depth);
      break;
    case 'bundle':
      if ('ref' in id || 'depth' in id) throw invalidRequest('a bundle has no ref and no depth');
      if (id.base !== undefined && !OID_PATTERN.test(id.base)) {
        throw invalidRequest('base is not the object id of a commit');
      }
      break;
    default:
      throw invalidRequest('the kind of an artifact is neither snapshot nor bundle');
  }
  return { ...id, repository };
}

/**
 * Validates a repository from a caller without HTTP. @returns its canonical name.
 *
 * @throws SnapshotError `INVALID_REPOSITORY`, `FORBIDDEN`.
 */
export function allowedRepository(config: AllowList, repository: RepositoryId): RepositoryId {
  if (typeof repository?.host !== 'string' || typeof repository.path !== 'string') {
    throw new SnapshotError('INVALID_REPOSITORY', 'a repository is an object with host and path');
  }
  const canonical = canonicalRepository(config, checkRepository(repositoryKey(repository)));
  hostConfig(config, canonical);
  return canonical;
}

/**
 * Checks that a branch or tag can have this name: git-check-ref-format(1), and no leading dash.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
export function checkRef(ref: string): void {
  const isPossible =
    Buffer.byteLength(ref) <= MAX_REF_BYTES &&
    !ref.startsWith('-') &&
    !LONE_SURROGATE.test(ref) &&
    isValidRefName(`refs/heads/${ref}`);
  if (!isPossible) throw invalidRequest('ref is not a name of a branch, tag or commit');
}

/** @throws SnapshotError `INVALID_REQUEST` */
export function checkDepth(depth: number): void {
  if (Number.isInteger(depth) && depth >= 1 && depth <= MAX_DEPTH) return;
  throw invalidRequest(`depth is not a whole number from 1 to ${MAX_DEPTH}`);
}
