import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { lineText, type PktLine, PktLineSplitter } from '../git/pkt-line.js';
import { type RefList, RefListBuilder } from '../git/ref-list.js';
import { type Head, isValidRefName } from '../git/refs.js';

export interface Advertisement {
  readonly capabilities: ReadonlySet<string>;
  /** `undefined` when HEAD is a branch without commits: protocol v0 does not advertise it. */
  readonly head: Head | undefined;
  /** Branches and tags. */
  readonly refs: RefList;
  /** The other wanted refs that exist: full name → id. */
  readonly otherRefs: ReadonlyMap<string, string>;
  /** Whether a ref of any name is at the wanted commit: then the upstream sends it on request. */
  readonly isCommitAdvertised: boolean;
}

/** What to note beside branches and tags. */
export interface OtherWants {
  /** Full names, as bytes, of refs that mirrors do not hold. */
  readonly names: ReadonlySet<string>;
  /** A commit that may have a ref. */
  readonly commit?: string | undefined;
}

/** git's default branch, without any configuration. */
export const DEFAULT_BRANCH = 'refs/heads/master';

const SERVICE_LINE = '# service=git-upload-pack';
const NO_REFS = `${'0'.repeat(40)} capabilities^{}`;
const NOT_REFS = 'the upstream did not answer with refs';
const REF_TWICE = 'the upstream advertises a ref twice';

/**
 * Reads a smart server's answer to `info/refs` (gitprotocol-http(5), "Smart Server Response"; for
 * the lines see gitprotocol-pack(5), "Reference Discovery"). Skips names that git does not accept,
 * as git does.
 *
 * Names are bytes. All bytes of a line, except one line feed at its end, belong to the name.
 * Otherwise a user with the right to push one branch could make it pass for another.
 *
 * @throws SnapshotError `REPOSITORY_UNSUPPORTED` for SHA-256 or shallow repositories,
 * `UPSTREAM_UNREACHABLE` for an error that the upstream reports, `UPSTREAM_INVALID`.
 */
export async function readAdvertisement(
  body: AsyncIterable<Uint8Array>,
  wanted: OtherWants,
): Promise<Advertisement> {
  const splitter = new PktLineSplitter();
  const refs = new RefLines(wanted);
  let flushes = 0;
  let isAnnounced = false;
  for await (const chunk of body) {
    for (const line of splitter.split(chunk)) {
      if (line.kind === 'flush') {
        flushes++;
        continue;
      }
      const text = textOf(line);
      if (flushes === 1) refs.add(text);
      else if (flushes > 1 || isAnnounced || text !== SERVICE_LINE) throw invalid(NOT_REFS);
      else isAnnounced = true;
    }
  }
  splitter.end();
  if (!isAnnounced || flushes > 2) throw invalid(NOT_REFS);
  if (flushes < 2) throw invalid('the list of refs ends before its flush');
  return refs.advertisement();
}

function textOf(line: PktLine): string {
  if (line.kind !== 'data') throw invalid(`unexpected ${line.kind} in the list of refs`);
  const text = lineText(line.payload);
  if (!text.startsWith('ERR ')) return text;
  const report = text.slice(4, 1000).trim();
  throw new SnapshotError('UPSTREAM_UNREACHABLE', `the upstream reports: ${report}`);
}

/** The lines of the list. The first one also has the capabilities. */
class RefLines {
  readonly #refs = new RefListBuilder();
  readonly #wanted: OtherWants;
  readonly #otherRefs = new Map<string, string>();
  #capabilities: ReadonlySet<string> | undefined;
  #isNumbered = false;
  #isCommitAdvertised = false;
  #headOid: string | undefined;
  /** The first branch at HEAD's commit. HEAD comes before all other refs. */
  #firstAtHead: string | undefined;

  constructor(wanted: OtherWants) {
    this.#wanted = wanted;
  }

  add(line: string): void {
    if (this.#capabilities !== undefined) this.#addRef(line);
    // Protocol v1 is v0 after this line.
    else if (line === 'version 1' && !this.#isNumbered) this.#isNumbered = true;
    else this.#addFirst(line);
  }

  advertisement(): Advertisement {
    const capabilities = this.#capabilities ?? new Set();
    const refs = this.#refs.build();
    if (refs === undefined) throw invalid(REF_TWICE);
    refuseNestedNames(refs);
    // Old upstreams do not name HEAD's branch. Git guesses it, too: `guess_remote_head`.
    const guess =
      refs.find(DEFAULT_BRANCH)?.oid === this.#headOid ? DEFAULT_BRANCH : this.#firstAtHead;
    const target = symrefOfHead(capabilities) ?? guess;
    const head = this.#headOid === undefined ? undefined : headAt(this.#headOid, target, refs);
    const isCommitAdvertised = this.#isCommitAdvertised;
    return { capabilities, refs, head, otherRefs: this.#otherRefs, isCommitAdvertised };
  }

  #addFirst(line: string): void {
    const [ref = '', list = ''] = line.split('\0');
    const capabilities = new Set(list.split(' ').filter((capability) => capability !== ''));
    for (const capability of capabilities) {
      if (capability.startsWith('object-format=') && capability !== 'object-format=sha1') {
        throw new SnapshotError('REPOSITORY_UNSUPPORTED', `the upstream uses ${capability}`);
      }
    }
    this.#capabilities = capabilities;
    if (ref !== '' && ref !== NO_REFS) this.#addRef(ref);
  }

  #addRef(line: string): void {
    if (line.startsWith('shallow ')) {
      throw new SnapshotError('REPOSITORY_UNSUPPORTED', 'the upstream is a shallow repository');
    }
    const [oid, name] = [line.slice(0, 40), line.slice(41)];
    if (!OID_PATTERN.test(oid) || line[40] !== ' ' || name.includes(' ')) {
      throw invalid('the upstream advertises a malformed ref');
    }
    if (oid === this.#wanted.commit) this.#isCommitAdvertised = true;
    if (name === 'HEAD') {
      if (this.#headOid !== undefined) throw invalid(REF_TWICE);
      this.#headOid = oid;
    } else if (isMirroredRef(name) && isValidRefName(name)) {
      this.#refs.add(name, oid);
      if (oid === this.#headOid && name.startsWith('refs/heads/')) this.#firstAtHead ??= name;
    } else if (this.#wanted.names.has(name)) {
      this.#otherRefs.set(name, oid);
    }
  }
}

/** Whether mirrors hold the ref of a full name: a branch or a tag. */
export function isMirroredRef(name: string): boolean {
  return /^refs\/(?:heads|tags)\//.test(name);
}

/** The ref in `symref=HEAD:refs/heads/main`: gitprotocol-capabilities(5). */
function symrefOfHead(capabilities: ReadonlySet<string>): string | undefined {
  const prefix = 'symref=HEAD:';
  return [...capabilities].find((one) => one.startsWith(prefix))?.slice(prefix.length);
}

function headAt(oid: string, ref: string | undefined, refs: RefList): Head {
  if (ref === undefined || !ref.startsWith('refs/heads/')) return { kind: 'detached', oid };
  // The branch may have moved since the upstream read HEAD. Like git, this takes the branch's id.
  const tip = refs.find(ref);
  if (tip === undefined) throw invalid('HEAD names a branch that does not exist');
  return { kind: 'branch', ref, oid: tip.oid };
}

/** `refs/heads/a` and `refs/heads/a/b` can't both exist: one is a file, the other is below it. */
function refuseNestedNames(refs: RefList): void {
  // In sorted order a name follows its prefixes. There are few at a time.
  const prefixes: string[] = [];
  for (const { name } of refs) {
    for (let last = prefixes.at(-1); last !== undefined; last = prefixes.at(-1)) {
      if (name.startsWith(last)) break;
      prefixes.pop();
    }
    if (prefixes.some(({ length }) => name[length] === '/')) {
      throw invalid('the upstream advertises a ref below a ref');
    }
    prefixes.push(name);
  }
}

function invalid(what: string): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', what);
}
