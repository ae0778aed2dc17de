import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { splitPktLines } from '../git/pkt-line.js';
import { type Head, isValidRefName } from '../git/refs.js';

/** The refs of the upstream that a mirror holds. */
export interface Advertisement {
  readonly capabilities: ReadonlySet<string>;
  /** `undefined` when HEAD names a branch without commits, which protocol v0 leaves out. */
  readonly head: Head | undefined;
  /** Branches and tags: full name → object id. */
  readonly refs: ReadonlyMap<string, string>;
}

/** git's own, without any configuration. */
export const DEFAULT_BRANCH = 'refs/heads/master';

const SERVICE_LINE = '# service=git-upload-pack';
const NO_REFS = `${'0'.repeat(40)} capabilities^{}`;

/**
 * Reads a smart server's answer to `info/refs` (gitprotocol-http(5), "Smart Server Response"; the lines are
 * those of gitprotocol-pack(5), "Reference Discovery") and keeps what a mirror holds: HEAD, branches and
 * tags. Names that git would not take are skipped, as git does.
 *
 * Names are bytes, and only one line feed at the end of a line is not part of it: whoever may push some branch
 * must not be able to make it pass for another one.
 *
 * @throws SnapshotError `REPOSITORY_UNSUPPORTED` for SHA-256 or shallow repositories, `UPSTREAM_UNREACHABLE`
 * for an error that the upstream reports, `UPSTREAM_INVALID` for everything that the protocol does not allow: an
 * answer that ends before its last flush, malformed ids, a ref twice, refs that can't exist beside each other.
 */
export function parseAdvertisement(answer: Buffer): Advertisement {
  const [service, ...refLines] = sections(answer);
  if (service?.length !== 1 || service[0] !== SERVICE_LINE || refLines.length !== 1) {
    throw invalid('the upstream did not answer with refs');
  }
  const [lines = []] = refLines;
  if (lines[0] === 'version 1') lines.shift();
  const [first = '', capabilityList = ''] = lines.shift()?.split('\0') ?? [];
  const capabilities = new Set(capabilityList.split(' ').filter((capability) => capability !== ''));
  for (const capability of capabilities) {
    if (capability.startsWith('object-format=') && capability !== 'object-format=sha1') {
      throw new SnapshotError('REPOSITORY_UNSUPPORTED', `the upstream uses ${capability}`);
    }
  }
  if (first !== '' && first !== NO_REFS) lines.unshift(first);
  const refs = new Map<string, string>();
  let headOid: string | undefined;
  for (const line of lines) {
    if (line.startsWith('shallow ')) {
      throw new SnapshotError('REPOSITORY_UNSUPPORTED', 'the upstream is a shallow repository');
    }
    const [oid, name] = [line.slice(0, 40), line.slice(41)];
    if (!OID_PATTERN.test(oid) || line[40] !== ' ' || name.includes(' ')) {
      throw invalid('the upstream advertises a malformed ref');
    }
    const isHead = name === 'HEAD';
    if (isHead ? headOid !== undefined : refs.has(name)) {
      throw invalid('the upstream advertises a ref twice');
    }
    if (isHead) headOid = oid;
    else if (isMirroredRef(name) && isValidRefName(name)) refs.set(name, oid);
  }
  refuseNestedNames(refs);
  return { capabilities, refs, head: readHead(headOid, symrefOfHead(capabilities), refs) };
}

/** Whether mirrors hold a ref: branches and tags. @param name in full. */
export function isMirroredRef(name: string): boolean {
  return /^refs\/(?:heads|tags)\//.test(name);
}

/** The lines before each flush: bytes as latin1, without the line feed that each may end with. */
function sections(answer: Buffer): string[][] {
  const found: string[][] = [];
  let lines: string[] = [];
  for (const line of splitPktLines(answer)) {
    if (line.kind === 'flush') {
      found.push(lines);
      lines = [];
      continue;
    }
    if (line.kind !== 'data') throw invalid(`unexpected ${line.kind} in the list of refs`);
    const text = line.payload.toString('latin1').replace(/\n$/, '');
    if (text.startsWith('ERR ')) {
      const report = text.slice(4, 1000).trim();
      throw new SnapshotError('UPSTREAM_UNREACHABLE', `the upstream reports: ${report}`);
    }
    lines.push(text);
  }
  if (lines.length > 0) throw invalid('the list of refs ends before its flush');
  return found;
}

/** Of `symref=HEAD:refs/heads/main`: gitprotocol-capabilities(5). */
function symrefOfHead(capabilities: ReadonlySet<string>): string | undefined {
  const prefix = 'symref=HEAD:';
  for (const capability of capabilities) {
    if (capability.startsWith(prefix)) return capability.slice(prefix.length);
  }
  return undefined;
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
  if (tip === undefined) throw invalid('HEAD names a branch that is not there');
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
      throw invalid('the upstream advertises a ref below a ref');
    }
  }
}

function invalid(what: string): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', what);
}
