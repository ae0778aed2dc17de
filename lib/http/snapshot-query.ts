import type { SnapshotId } from '../artifact/artifact.js';
import { checkDepth, checkRef } from '../artifact/validate-id.js';
import { queryParameter } from './query-parameter.js';

/**
 * What a query selects: `ref` and `depth`, each at most once. Other parameters are ignored. Nothing
 * selected is the default snapshot.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
export function parseSnapshotQuery(query: URLSearchParams): Pick<SnapshotId, 'ref' | 'depth'> {
  const ref = queryParameter(query, 'ref');
  const depth = queryParameter(query, 'depth');
  return {
    ...(ref !== undefined && { ref: parseRef(ref) }),
    ...(depth !== undefined && { depth: parseDepth(depth) }),
  };
}

/** 40 hex digits are an object id to git, whatever their case and whatever refs there are. */
function parseRef(text: string): string {
  if (/^[0-9a-f]{40}$/i.test(text)) return text.toLowerCase();
  checkRef(text);
  return text;
}

/** In decimal, and in one way only. */
function parseDepth(text: string): number {
  const depth = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : Number.NaN;
  checkDepth(depth);
  return depth;
}
