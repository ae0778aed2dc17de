import { canonicalRepository, hostConfig } from '../config/hosts.js';
import type { SnapshotConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { isValidRefName } from '../git/refs.js';
import { parseRepository, repositoryKey } from '../repository.js';
import { type ArtifactId, isBundle } from './artifact.js';

const MAX_REF_BYTES = 255;
const MAX_DEPTH = 0x7fff_ffff;

/**
 * Validates an id from a caller without HTTP, by the rules for requests.
 *
 * @returns the id with the canonical name of its repository.
 * @throws SnapshotError `INVALID_REPOSITORY`, `INVALID_REQUEST`, `FORBIDDEN`.
 */
export function canonicalId<Id extends ArtifactId>(
  config: Pick<SnapshotConfig, 'hosts'>,
  id: Id,
): Id {
  if (typeof id?.host !== 'string' || typeof id.path !== 'string') {
    throw new SnapshotError('INVALID_REPOSITORY', 'a repository is an object with host and path');
  }
  const repository = canonicalRepository(config, parseRepository(repositoryKey(id)));
  hostConfig(config, repository);
  if (isBundle(id)) {
    if (!OID_PATTERN.test(id.base)) throw invalid('base is not 40 lower-case hex digits');
  } else {
    if (id.ref !== undefined) checkRef(id.ref);
    if (id.depth !== undefined) checkDepth(id.depth);
  }
  return { ...id, ...repository };
}

/**
 * Checks that a branch or tag can have this name: git-check-ref-format(1), with the rule of its `--branch` that no
 * name looks like an option.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
export function checkRef(ref: string): void {
  const isPossible =
    Buffer.byteLength(ref) <= MAX_REF_BYTES &&
    !ref.startsWith('-') &&
    isValidRefName(`refs/heads/${ref}`);
  if (!isPossible) throw invalid('ref is no name of a branch, tag or commit');
}

/** @throws SnapshotError `INVALID_REQUEST` */
export function checkDepth(depth: number): void {
  if (Number.isInteger(depth) && depth >= 1 && depth <= MAX_DEPTH) return;
  throw invalid(`depth is no whole number from 1 to ${MAX_DEPTH}`);
}

function invalid(why: string): SnapshotError {
  return new SnapshotError('INVALID_REQUEST', why);
}
