import type { Request } from 'express';
import { z } from 'zod';
import type { ArtifactSource, EnsuredRefs, WantedRefs } from '../artifact/artifact.js';
import { SnapshotError } from '../errors.js';
import { isValidRefName } from '../git/refs.js';
import type { ArtifactHandler, Exchange } from './exchange.js';
import { bodyWasRead, readBody } from './request-body.js';

const MAX_BODY_BYTES = 256 * 1024;

/** `POST ensure-refs`: makes the mirror hold refs and commits that the client is about to fetch. */
export function createEnsureRefsHandler(source: ArtifactSource): ArtifactHandler {
  async function serve({ req, res, repository, signal }: Exchange): Promise<void> {
    const wanted = parseWantedRefs(await readJson(req));
    const possible = withPossibleNames(wanted);
    const ensured: EnsuredRefs =
      possible.refs.size + possible.commits.length === 0
        ? { refs: new Map(), missingCommits: [], fetched: false }
        : await source.ensureRefs(repository, possible, { signal });
    const body = JSON.stringify(toAnswer(wanted, ensured));
    res.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
    });
    res.end(body);
  }

  return { methods: ['POST'], upstreamFailureStatus: 502, serve };
}

/** A name that git refuses exists nowhere, so nobody need be asked. */
function withPossibleNames({ refs, commits }: WantedRefs): WantedRefs {
  return { refs: new Map([...refs].filter(([name]) => isValidRefName(name))), commits };
}

/** What is empty is left out, and each ref that was asked for is there: clients count them. */
function toAnswer(wanted: WantedRefs, { refs, missingCommits, fetched }: EnsuredRefs): object {
  const resolved = Array.from(wanted.refs.keys(), (name) => [name, refs.get(name) ?? '']);
  return {
    ...(resolved.length > 0 && { refs: Object.fromEntries(resolved) }),
    ...(missingCommits.length > 0 && { missing_commits: missingCommits }),
    fetched,
  };
}

/**
 * The body as JSON, whatever its `Content-Type` says, or what a body parser of the host app made of it.
 *
 * @throws SnapshotError `INVALID_REQUEST`; `INVALID_OPTIONS` when the host app read the body and left
 *   nothing of it.
 */
async function readJson(req: Request): Promise<unknown> {
  const body = bodyWasRead(req) ? parsedBody(req) : await readBody(req, MAX_BODY_BYTES);
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  if (body === undefined || (isText && Buffer.byteLength(body) > MAX_BODY_BYTES)) {
    throw new SnapshotError('INVALID_REQUEST', 'the body is too large');
  }
  if (!isText) return body;
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SnapshotError('INVALID_REQUEST', 'the body is not JSON', { cause });
  }
}

/** Only for a body that was read: Express 4's parsers also set `req.body` when they leave it alone. */
function parsedBody(req: Request): unknown {
  if (req.body !== undefined) return req.body;
  throw new SnapshotError('INVALID_OPTIONS', 'the body was read before the router, and is gone');
}

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
