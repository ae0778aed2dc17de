import type { Request } from 'express';
import { z } from 'zod';
import type { EnsuredRefs, WantedRefs } from '../artifact/artifact.js';
import { invalidRequest, SnapshotError } from '../errors.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import type { EndpointHandler, Exchange } from './answer-request.js';
import { bodyWasRead, parseJson, readBody } from './request-body.js';
import { queryParameters } from './target.js';

const MAX_BODY_BYTES = 256 * 1024;

/** `POST ensure-refs`: makes the mirror hold refs and commits that the client is about to fetch. */
export function createEnsureRefsHandler(service: SnapshotService): EndpointHandler {
  async function serve({ req, res, repository, signal }: Exchange): Promise<void> {
    const wanted = parseWantedRefs(await readJson(req));
    const ensured = await service.ensureRefs(repository, wanted, { signal });
    const body = JSON.stringify(toAnswer(wanted, ensured));
    const length = Buffer.byteLength(body);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': length };
    res.writeHead(200, { ...headers, 'Cache-Control': 'no-store' }).end(body);
  }

  return {
    methods: ['POST'],
    upstreamFailureStatus: 502,
    parse: (req) => {
      queryParameters(req, []);
      return { wanted: { artifact: 'ensure-refs' }, serve };
    },
  };
}

/** Empty members are left out. Each wanted ref has an entry: clients count them. */
function toAnswer(wanted: WantedRefs, { refs, missingCommits, fetched }: EnsuredRefs): object {
  const resolved = Array.from(wanted.refs.keys(), (name) => [name, refs.get(name) ?? '']);
  return {
    ...(resolved.length > 0 && { refs: Object.fromEntries(resolved) }),
    ...(missingCommits.length > 0 && { missing_commits: missingCommits }),
    fetched,
  };
}

/**
 * Reads the body as JSON, with any `Content-Type`, or takes it from the host app's body parser.
 *
 * @throws SnapshotError `INVALID_REQUEST`; `INVALID_OPTIONS`: the host app kept no value.
 */
async function readJson(req: Request): Promise<unknown> {
  // Express 4's parsers set `req.body` even when they don't read the body.
  const wasRead = bodyWasRead(req);
  if (wasRead && req.body === undefined) {
    throw new SnapshotError('INVALID_OPTIONS', 'the body was read before the router, and is gone');
  }
  const body: unknown = wasRead ? req.body : await readBody(req, MAX_BODY_BYTES);
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  if (body === undefined || (isText && Buffer.byteLength(body) > MAX_BODY_BYTES)) {
    throw invalidRequest('the body is too large');
  }
  return isText ? parseJson(body.toString(), 'the body') : body;
}

const MAX_ENTRIES = 1_000;
/** git's limit on the length of paths, and so of ref names. */
const MAX_NAME_LENGTH = 4_096;

/** An id, perhaps abbreviated, in either case. Empty: for a ref, any id; in `commits`, nothing. */
const emptyOrOid = z.string().regex(/^(?:[0-9a-f]{4,40})?$/i);
const name = z.string().max(MAX_NAME_LENGTH);

/** The members of an object. `z.record` would leave out `__proto__`, which a client may send. */
const members = z
  .custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
  .transform((value) => new Map<unknown, unknown>(Object.entries(value)));

/** `null` means missing, as for Go's decoder. Unknown members are ignored. */
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
 * Parses `{"refs": {"{name}": "{id or empty}"}, "commits": ["{id}"]}`. Any string may be a name: if
 * git refuses it, the ref does not exist.
 *
 * @throws SnapshotError `INVALID_REQUEST`
 */
function parseWantedRefs(body: unknown): WantedRefs {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join('.').slice(0, 200);
  throw invalidRequest(`the body is malformed at "${where}"`);
}
