import { createHash } from 'node:crypto';
import { hashLines } from '../git/hash-lines.js';
import type { Head, Ref } from '../git/refs.js';
import type { SnapshotConfig } from '../options.js';
import { hostConfig, originUrl } from '../repository/policy.js';
import { type ArtifactId, isByCommit } from './artifact.js';

/** Raised whenever the same inputs begin to give other bytes. */
const FORMAT_VERSION = 4;

/** Everything that the bytes of a snapshot follow from. */
export interface SnapshotInputs {
  readonly head: Head;
  readonly originHead: string | undefined;
  readonly refs: Iterable<Ref>;
  readonly fetch: string | undefined;
  readonly shallow: readonly string[];
  /** `pack-{checksum}`: the checksum stands for all of a pack's bytes. */
  readonly packs: readonly string[];
  readonly originUrl: string;
  readonly trustFileTimes: boolean;
  /** The zstd encoder's id. */
  readonly encoder: string;
}

/**
 * Stands for what an artifact follows from beside the repository: this library, and the host app's options.
 * What was stored in another format is generated anew.
 */
export function formatOf(config: SnapshotConfig, id: ArtifactId): string {
  const { compressionLevel, trustFileTimes } = config.snapshot;
  const inputs = [FORMAT_VERSION, originUrl(config, id), compressionLevel, trustFileTimes];
  if (isOnlyReachable(config, id)) inputs.push('reachable');
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
}

/** Whether a branch or tag has to lead to the commit of a snapshot, or it must not be served. */
export function isOnlyReachable(config: SnapshotConfig, id: ArtifactId): boolean {
  return isByCommit(id) && hostConfig(config, id).onlyReachableCommits;
}

/** A strong entity tag (RFC 9110 §8.8.3), known before the first byte is made. */
export function fingerprint(inputs: SnapshotInputs): string {
  const { head, originHead, refs, fetch, shallow, packs, originUrl, trustFileTimes, encoder } =
    inputs;
  const hash = createHash('sha256');
  const cut = [originHead ?? null, fetch ?? null, shallow];
  const fixed = [FORMAT_VERSION, head, cut, packs, originUrl, trustFileTimes, encoder];
  hash.update(JSON.stringify(fixed));
  hashLines(hash, linesOf(refs), 'utf8');
  return `"${hash.digest('base64url').slice(0, 32)}"`;
}

function* linesOf(refs: Iterable<Ref>): Generator<string> {
  for (const { name, oid, peeled } of refs) yield `\n${oid} ${peeled ?? ''} ${name}`;
}
