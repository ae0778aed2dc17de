import { createHash, type Hash } from 'node:crypto';
import { hostConfig, originUrl } from '../config/hosts.js';
import type { ServiceConfig } from '../config/options.js';
import { hashLines } from '../git/hash-lines.js';
import type { Head, Ref } from '../git/refs.js';
import { type ArtifactId, isByCommit } from './id.js';

/** Raise it whenever the same inputs give other bytes. */
const SNAPSHOT_FORMAT = 5;
const BUNDLE_FORMAT = 2;

/** Everything that determines the bytes of a snapshot. */
export interface SnapshotInputs {
  readonly head: Head;
  readonly originHead: string | undefined;
  readonly refs: Iterable<Ref>;
  readonly fetch: string | undefined;
  readonly shallow: readonly string[];
  /** `pack-{checksum}`: the checksum identifies the bytes of a pack. */
  readonly packs: readonly string[];
  readonly originUrl: string;
  readonly trustFileTimes: boolean;
  /** The zstd encoder's id. */
  readonly encoder: string;
}

/**
 * Identifies everything, except the repository, that determines the bytes of a snapshot: this
 * library's format, and options. An artifact stored in another format is built again.
 */
export function formatOf(config: ServiceConfig, id: ArtifactId): string {
  const { compressionLevel, trustFileTimes } = config.snapshot;
  const origin = originUrl(config, id.repository);
  const inputs = [SNAPSHOT_FORMAT, origin, compressionLevel, trustFileTimes];
  if (isOnlyReachable(config, id)) inputs.push('reachable');
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
}

/** Whether the artifact may be served only if its commit is reachable from a branch or tag. */
export function isOnlyReachable(config: ServiceConfig, id: ArtifactId): boolean {
  return isByCommit(id) && hostConfig(config, id.repository).onlyReachableCommits;
}

/** The strong entity tag of a snapshot (RFC 9110 §8.8.3). Known before its first byte. */
export function snapshotEtag({ refs, ...inputs }: SnapshotInputs): string {
  const { head, originHead, fetch, shallow, packs, originUrl, trustFileTimes, encoder } = inputs;
  const cut = [originHead ?? null, fetch ?? null, shallow];
  const fixed = [SNAPSHOT_FORMAT, head, cut, packs, originUrl, trustFileTimes, encoder];
  const hash = createHash('sha256').update(JSON.stringify(fixed));
  hashLines(hash, linesOf(refs), 'utf8');
  return strongTag(hash);
}

/** HEAD's commit and branch. With the base, they determine the objects of an incremental bundle. */
export function incrementalBasis(head: Head): string {
  return `${head.oid ?? ''} ${head.kind === 'branch' ? head.ref : 'HEAD'}`;
}

/** The strong entity tag of a bundle. @param pack its name, which is a checksum of its bytes. */
export function bundleEtag(base: string | undefined, basis: string, pack: string): string {
  const inputs = JSON.stringify([BUNDLE_FORMAT, base ?? null, basis, pack]);
  return strongTag(createHash('sha256').update(inputs));
}

function strongTag(hash: Hash): string {
  return `"${hash.digest('base64url').slice(0, 32)}"`;
}

function* linesOf(refs: Iterable<Ref>): Generator<string> {
  for (const { name, oid, peeled } of refs) yield `\n${oid} ${peeled ?? ''} ${name}`;
}
