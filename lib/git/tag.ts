import { SnapshotError } from '../errors.js';

/** The id of the object that an annotated tag names. */
export function parseTagTarget(data: Buffer): string {
  const target = /^object ([0-9a-f]{40})\n/.exec(data.toString('latin1', 0, 48))?.[1];
  if (target === undefined) throw new SnapshotError('UPSTREAM_INVALID', 'a tag is malformed');
  return target;
}
