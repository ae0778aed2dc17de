import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { type Head, isValidRefName } from '../git/refs.js';

/** What isomorphic-git's `GitRemoteHTTP.discover` gives for protocol v0 and v1. */
interface DiscoveredRemote {
  readonly capabilities: Iterable<string>;
  readonly refs: Iterable<readonly [name: string, oid: string]>;
  readonly symrefs: Iterable<readonly [name: string, target: string]>;
}

/** The refs of the upstream that a mirror holds. */
export interface Advertisement {
  readonly capabilities: ReadonlySet<string>;
  /** `undefined` when HEAD names a branch without commits, which protocol v0 leaves out. */
  readonly head: Head | undefined;
  /** Branches and tags by full name. */
  readonly refs: ReadonlyMap<string, string>;
}

/** git's own, without any configuration. */
export const DEFAULT_BRANCH = 'refs/heads/master';

const MIRRORED = /^refs\/(?:heads|tags)\//;

/**
 * Checks what the upstream advertised and keeps what a mirror holds: HEAD, branches and tags. Refs
 * whose names git would not take are skipped, as git does.
 *
 * @throws SnapshotError `REPOSITORY_UNSUPPORTED` for SHA-256 or shallow repositories,
 * `UPSTREAM_INVALID` for ids that are none and for refs that can't exist beside each other.
 */
export function readAdvertisement(remote: unknown): Advertisement {
  if (!isDiscoveredRemote(remote)) {
    throw new SnapshotError('UPSTREAM_INVALID', 'the upstream did not answer with refs');
  }
  const capabilities = new Set(remote.capabilities);
  for (const capability of capabilities) {
    if (capability.startsWith('object-format=') && capability !== 'object-format=sha1') {
      throw new SnapshotError('REPOSITORY_UNSUPPORTED', `the upstream uses ${capability}`);
    }
  }
  const refs = new Map<string, string>();
  let headOid: string | undefined;
  for (const [name, oid] of remote.refs) {
    if (oid === 'shallow') {
      throw new SnapshotError('REPOSITORY_UNSUPPORTED', 'the upstream is a shallow repository');
    }
    if (!OID_PATTERN.test(oid)) {
      throw new SnapshotError('UPSTREAM_INVALID', 'the upstream advertises a malformed object id');
    }
    if (name === 'HEAD') headOid = oid;
    else if (MIRRORED.test(name) && isValidRefName(name)) refs.set(name, oid);
  }
  refuseNestedNames(refs);
  return { capabilities, refs, head: readHead(headOid, new Map(remote.symrefs).get('HEAD'), refs) };
}

function readHead(
  oid: string | undefined,
  target: string | undefined,
  refs: ReadonlyMap<string, string>,
): Head | undefined {
  if (oid === undefined) return undefined;
  const ref = target ?? guessBranch(oid, refs);
  if (ref === undefined || !ref.startsWith('refs/heads/')) return { kind: 'detached', oid };
  // The upstream reads one after the other: the branch may have moved in between. git takes its id as well.
  const tip = refs.get(ref);
  if (tip === undefined) {
    throw new SnapshotError('UPSTREAM_INVALID', 'HEAD names a branch that is not there');
  }
  return { kind: 'branch', ref, oid: tip };
}

/**
 * The branch that git takes for HEAD's when the upstream does not say, because it is old or because
 * its HEAD is detached at the tip of a branch (`guess_remote_head` of git's remote.c).
 */
function guessBranch(head: string, refs: ReadonlyMap<string, string>): string | undefined {
  if (refs.get(DEFAULT_BRANCH) === head) return DEFAULT_BRANCH;
  for (const [name, oid] of refs) if (oid === head && name.startsWith('refs/heads/')) return name;
  return undefined;
}

/** `refs/heads/a` and `refs/heads/a/b` can't both be: one would be a file, the other below it. */
function refuseNestedNames(refs: ReadonlyMap<string, string>): void {
  // With a slash that sorts before all else, a name comes right before those below it.
  const names = [...refs.keys()].map((name) => name.replaceAll('/', '\0')).sort();
  for (const [i, name] of names.entries()) {
    if (names[i + 1]?.startsWith(`${name}\0`)) {
      throw new SnapshotError('UPSTREAM_INVALID', 'the upstream advertises a ref below a ref');
    }
  }
}

function isDiscoveredRemote(value: unknown): value is DiscoveredRemote {
  return (
    typeof value === 'object' &&
    value !== null &&
    'refs' in value &&
    value.refs instanceof Map &&
    'symrefs' in value &&
    value.symrefs instanceof Map &&
    'capabilities' in value &&
    value.capabilities instanceof Set
  );
}
