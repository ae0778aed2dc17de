import { z } from 'zod';
import type { WantedRefs } from '../artifact/artifact.js';
import { SnapshotError } from '../errors.js';

const MAX_ENTRIES = 1_000;
/** What git's own limit on paths leaves for the name of a ref. */
const MAX_NAME_LENGTH = 4_096;

/** As git takes ids: abbreviated, in either case. An empty one is any to a ref, and none in a list. */
const emptyOrOid = z.string().regex(/^(?:[0-9a-f]{4,40})?$/i);
const name = z.string().max(MAX_NAME_LENGTH);

/**
 * The members of an object. They are gone through here, not by `z.record`, which leaves out
 * `__proto__`: it is as good a name of a ref that does not exist as any other.
 */
const members = z
  .custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
  .transform((value) => new Map<unknown, unknown>(Object.entries(value)));

/** `null` is nothing, as it is to Go's decoder. Unknown members are ignored. */
const schema = z
  .object({
    refs: members.pipe(z.map(name, emptyOrOid)).nullish(),
    commits: z.array(emptyOrOid).max(MAX_ENTRIES).nullish(),
  })
  .transform(({ refs, commits }) => ({ refs: refs ?? new Map(), commits: commits ?? [] }))
  .refine(({ refs, commits }) => {
    const entries = refs.size + commits.length;
    return entries >= 1 && entries <= MAX_ENTRIES;
  }, `there must be 1 to ${MAX_ENTRIES} refs and commits`)
  .transform(({ refs, commits }) => ({ refs, commits: commits.filter((id) => id !== '') }));

/**
 * The body of `ensure-refs`, once it is JSON: `{"refs": {"{name}": "{id or empty}"}, "commits": ["{id}"]}`.
 * Names are any strings: one that no ref can have is a ref that does not exist.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
export function parseWantedRefs(body: unknown): WantedRefs {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join('.').slice(0, 200);
  throw new SnapshotError('INVALID_REQUEST', `the body is malformed at "${where}"`);
}
