import { createHash } from 'node:crypto';
import type { Head, Ref } from '../git/refs.js';

/** Raised whenever the same inputs begin to give other bytes. */
const FORMAT_VERSION = 2;

/** Everything that the bytes of a snapshot follow from. */
export interface SnapshotInputs {
  readonly head: Head;
  readonly refs: readonly Ref[];
  /** `pack-{checksum}`: the checksum stands for all of a pack's bytes. */
  readonly packs: readonly string[];
  readonly originUrl: string;
  readonly trustFileTimes: boolean;
  /** The zstd encoder's id. */
  readonly encoder: string;
}

/** A strong entity tag (RFC 9110 §8.8.3), known before the first byte is made. */
export function fingerprint(inputs: SnapshotInputs): string {
  const { head, refs, packs, originUrl, trustFileTimes, encoder } = inputs;
  const hash = createHash('sha256');
  const fixed = [FORMAT_VERSION, head, packs, originUrl, trustFileTimes, encoder];
  hash.update(JSON.stringify(fixed));
  for (const { name, oid, peeled } of refs) hash.update(`\n${oid} ${peeled ?? ''} ${name}`);
  return `"${hash.digest('base64url').slice(0, 32)}"`;
}
