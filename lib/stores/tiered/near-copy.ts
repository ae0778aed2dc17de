import type { Metadata, StoredObject } from '../store.js';
import { isMetadata, isRecord, parseJson } from '../stored-json.js';

/*
 * The metadata of a near object: the user's own, wrapped up, and what the far tier says of its object.
 * Without that it is of no far object: the far tier did not take it, or it is known elsewhere which one.
 */
const METADATA = 'metadata';
const FAR = 'far';

/** Of a far object, what its near copy cannot say of itself. */
type Far = Pick<StoredObject, 'revision' | 'storedAt' | 'expendable'>;

export interface NearCopy {
  /** The revision of the copy in the near tier. */
  readonly revision: string;
  /** What it is a copy of; a description of its own, if of nothing. */
  readonly object: StoredObject;
}

/** The metadata for a copy of a far object, or of one that is not known yet. */
export function encodeCopy(metadata: Metadata, far?: Far): Metadata {
  const wrapped = { [METADATA]: JSON.stringify(metadata) };
  if (far === undefined) return wrapped;
  const { revision, storedAt, expendable } = far;
  return { ...wrapped, [FAR]: JSON.stringify({ revision, storedAt, expendable }) };
}

/** `undefined` when the object is not a copy that was made here. */
export function decodeCopy(near: StoredObject): NearCopy | undefined {
  const metadata = parseJson(near.metadata[METADATA] ?? '');
  if (!isMetadata(metadata)) return undefined;
  const { revision } = near;
  if (near.metadata[FAR] === undefined) return { revision, object: { ...near, metadata } };
  const far = parseJson(near.metadata[FAR]);
  return isRecord(far) && isFar(far)
    ? { revision, object: { ...near, ...far, metadata } }
    : undefined;
}

function isFar(value: Record<string, unknown>): value is Record<string, unknown> & Far {
  return (
    typeof value.revision === 'string' &&
    typeof value.storedAt === 'number' &&
    typeof value.expendable === 'boolean'
  );
}
