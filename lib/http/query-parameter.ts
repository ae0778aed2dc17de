import { SnapshotError } from '../errors.js';

/**
 * The decoded value of a query parameter that may be given once; `undefined` when it is not given.
 *
 * @throws SnapshotError `INVALID_REQUEST` when it is given more than once: readers of a URL differ in
 *   which of them they take.
 */
export function queryParameter(query: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = query.getAll(name);
  if (more.length > 0)
    throw new SnapshotError('INVALID_REQUEST', `${name} is given more than once`);
  return value;
}
