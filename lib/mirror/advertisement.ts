import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { type Head, isValidRefName } from '../git/refs.js';

/** What isomorphic-git's `GitRemoteHTTP.discover` gives for protocol v0 and v1. */
export interface DiscoveredRemote {
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
  if (target === undefined || !target.startsWith('refs/heads/')) return { kind: 'detached', oid };
  if (refs.get(target) !== oid) {
    throw new SnapshotError('UPSTREAM_INVALID', 'HEAD is not at the branch that it names');
  }
  return { kind: 'branch', ref: target, oid };
}

/** `refs/heads/a` and `refs/heads/a/b` can't both be: one would be a file, the other below it. */
function refuseNestedNames(refs: ReadonlyMap<string, string>): void {
  for (const name of refs.keys()) {
    for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
      if (refs.has(name.slice(0, slash))) {
        throw new SnapshotError('UPSTREAM_INVALID', 'the upstream advertises a ref below a ref');
      }
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
