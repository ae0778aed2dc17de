import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { isValidRefName } from '../git/refs.js';
import type { SnapshotConfig } from '../options.js';
import { parseRepository, repositoryKey } from '../repository/identity.js';
import { canonicalRepository, hostConfig } from '../repository/policy.js';
import { type ArtifactId, isBundle } from './artifact.js';

const MAX_REF_BYTES = 255;
const MAX_DEPTH = 0x7fff_ffff;

/**
 * What holds for requests holds for callers without HTTP as well: valid, and allowed.
 *
 * @throws SnapshotError `INVALID_REPOSITORY`, `INVALID_REQUEST`, `FORBIDDEN`.
 */
export function checkId(config: Pick<SnapshotConfig, 'hosts'>, id: ArtifactId): void {
  if (typeof id?.host !== 'string' || typeof id.path !== 'string') {
    throw new SnapshotError('INVALID_REPOSITORY', 'a repository is an object with host and path');
  }
  const key = repositoryKey(id);
  const canonical = canonicalRepository(config, parseRepository(key));
  if (repositoryKey(canonical) !== key) {
    const message = `the repository is not in its canonical form: ${repositoryKey(canonical)}`;
    throw new SnapshotError('INVALID_REPOSITORY', message);
  }
  hostConfig(config, id);
  if (isBundle(id)) {
    if (!OID_PATTERN.test(id.base)) throw invalid('base is not 40 lower-case hex digits');
    return;
  }
  const { ref, depth } = id;
  if (ref !== undefined) checkRef(ref);
  if (depth !== undefined) checkDepth(depth);
}

/**
 * Whether a branch or tag could have this name, or a commit this id: git-check-ref-format(1), with the
 * rule of its `--branch`, that no name looks like an option.
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
