import type { OutgoingHttpHeaders } from 'node:http';
import type { Request, Response } from 'express';
import type { BuiltArtifact, StoredArtifact } from '../artifact/artifact.js';
import type { ArtifactId } from '../artifact/id.js';
import type { RouterConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import type { EndpointHandler, Exchange, ParsedRequest } from './answer-request.js';
import { sendBody } from './body.js';
import {
  evaluatePreconditions,
  isConditional,
  needsSelection,
  pinnedTags,
  type Selection,
  select,
} from './conditional.js';
import { attachment, formatHttpDate } from './header-fields.js';
import { KeepAlive } from './keep-alive.js';
import { mayOffload, sendOffloaded } from './offload.js';
import { sendProblem } from './problem.js';

export type ServedArtifact = StoredArtifact | BuiltArtifact;

/** What varies per artifact type. */
export interface ArtifactKind<Id extends ArtifactId> {
  readonly contentType: string;
  /** Whether wait frames may precede the artifact. */
  readonly hasWaitFrames: boolean;
  /** @throws SnapshotError `INVALID_REQUEST` */
  identify(req: Request, repository: RepositoryId): Id;
  filename(id: Id): string;
  /** Additional headers of 200 and 206 for this type. */
  headers?(id: Id, artifact: ServedArtifact): OutgoingHttpHeaders;
  /**
   * Answers a GET of an artifact that is not stored, if no build is needed. Such a kind always
   * makes a GET look into the store. @returns whether it has answered.
   */
  answersInstead?(id: Id, exchange: Exchange): Promise<boolean>;
}

/** Attempts to open the version that `statStored` described. Then the whole artifact is sent. */
const MAX_OPEN_ATTEMPTS = 3;

/**
 * `GET` and `HEAD` of an artifact. HEAD calls `statStored` alone. A plain GET of a snapshot calls
 * `get` alone, unless the store has URLs. Other GETs look into the store first, select from a
 * version, and open exactly this version. A version that the client pins with an entity tag is
 * served as long as the store has it, also after it was replaced, and without a check of the
 * upstream.
 */
export function createArtifactHandler<Id extends ArtifactId>(
  service: SnapshotService,
  { authorize, clientIdleTimeout, keepAliveInterval, offload }: RouterConfig,
  kind: ArtifactKind<Id>,
): EndpointHandler {
  // Caches revalidate an artifact at each use: the next fetch may replace it.
  const cacheControl = authorize === undefined ? 'no-cache' : 'private, no-cache';

  async function head(id: Id, { req, res, signal }: Exchange): Promise<void> {
    const stored = (await pinned(id, req, signal)) ?? (await service.statStored(id, { signal }));
    if (stored === undefined) throw new SnapshotError('NOT_STORED', 'nothing is stored');
    if (!answersWithoutBody(res, select(req, stored), stored)) {
      res.writeHead(200, representationHeaders(id, stored)).end();
    }
  }

  async function get(id: Id, exchange: Exchange): Promise<void> {
    const { req, res, signal, record } = exchange;
    const checkedSince = performance.now();
    const keepAlive = keepAliveOf(id, exchange);
    const sending = { clientIdleTimeout, signal, record };
    const looksIntoStore =
      kind.answersInstead !== undefined ||
      service.hasDownloadUrls ||
      offload !== undefined ||
      needsSelection(req);
    for (let attempt = 0; looksIntoStore && attempt < MAX_OPEN_ATTEMPTS; attempt++) {
      const lookUp = () => service.statStored(id, { revalidate: true, checkedSince, signal });
      const stored =
        (await pinned(id, req, signal)) ??
        // The status depends on what is stored if a range is requested.
        (await (needsSelection(req) ? lookUp() : keepAlive.during(lookUp())));
      if (keepAlive.hasBegun) break;
      if (stored === undefined) {
        // Without a current representation not even `*` matches (RFC 9110, section 13.1.1).
        if (req.headers['if-match'] !== undefined) throw preconditionFailed();
        if (await kind.answersInstead?.(id, exchange)) return;
        break;
      }
      const selection = select(req, stored);
      if (answersWithoutBody(res, selection, stored)) return;
      const range = selection.kind === 'part' ? selection.range : undefined;
      // Never for a range: all parts of a download must be of one version.
      if (range === undefined && (await redirect(id, stored, exchange))) return;
      if (await sendFile(id, stored, exchange)) return;
      const opened = await service.openStored(id, { range, revision: stored.revision, signal });
      if (opened === undefined) continue; // replaced or evicted since
      const whole = representationHeaders(id, opened);
      const { body, size } = opened;
      record.outcome = opened.outcome;
      if (range === undefined) return sendBody(res, 200, whole, body, { ...sending, length: size });
      const length = range.end - range.start + 1;
      const contentRange = `bytes ${range.start}-${range.end}/${size}`;
      const part = { ...whole, 'Content-Length': length, 'Content-Range': contentRange };
      return sendBody(res, 206, part, body, { ...sending, length });
    }

    const artifact = await keepAlive.during(service.get(id, { checkedSince, signal }));
    const precondition = evaluatePreconditions(req, artifact);
    if (precondition === 'holds') {
      record.outcome = artifact.outcome;
      const length = artifact.source === 'store' ? artifact.size : undefined;
      const headers = representationHeaders(id, artifact);
      const { hasBegun } = keepAlive;
      return sendBody(res, 200, headers, artifact.body, { ...sending, length, hasBegun });
    }
    artifact.body.destroy();
    answersWithoutBody(res, { kind: precondition }, artifact);
  }

  /** Sends wait frames, unless a precondition may decide about the status. */
  function keepAliveOf(id: Id, { req, res }: Exchange): KeepAlive {
    const mayBegin = kind.hasWaitFrames && !isConditional(req);
    // The bytes of this answer are not those of the artifact: nothing may store or resume it.
    return new KeepAlive(res, mayBegin ? keepAliveInterval : undefined, {
      'Content-Type': kind.contentType,
      'Content-Disposition': attachment(kind.filename(id)),
      'Cache-Control': 'no-store',
      'Accept-Ranges': 'none',
      'X-Accel-Buffering': 'no',
    });
  }

  /** Lets the web server send the artifact's file, if there is one. @returns whether it does. */
  async function sendFile(id: Id, stored: StoredArtifact, exchange: Exchange) {
    const { req, res, signal, record } = exchange;
    if (offload === undefined || !mayOffload(req)) return false;
    const file = await service.getFile(id, stored, { signal });
    if (file === undefined) return false;
    record.outcome = 'offloaded';
    sendOffloaded(res, offload, file, representationHeaders(id, stored));
    return true;
  }

  async function pinned(id: Id, req: Request, signal: AbortSignal) {
    const etags = pinnedTags(req);
    return etags.length === 0 ? undefined : await service.statStored(id, { etags, signal });
  }

  /** Redirects the client to the artifact's URL, if the store has one. @returns whether it did. */
  async function redirect(id: Id, stored: StoredArtifact, { res, signal }: Exchange) {
    if (!service.hasDownloadUrls) return false;
    const contentDisposition = attachment(kind.filename(id));
    const about = { contentType: kind.contentType, contentDisposition, signal };
    const location = await service.getDownloadUrl(id, stored, about);
    if (location === undefined) return false;
    // The URL expires soon, and a client that has it may not be allowed to get the next one.
    const headers = { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 };
    res.writeHead(307, { ...kind.headers?.(id, stored), ...headers }).end();
    return true;
  }

  /** Answers a selection that needs no body. @returns whether it did. */
  function answersWithoutBody(res: Response, selection: Selection, artifact: ServedArtifact) {
    switch (selection.kind) {
      case 'failed':
        throw preconditionFailed();
      case 'not-modified':
        res.writeHead(304, cachingHeaders(artifact)).end();
        return true;
      case 'unsatisfiable': {
        const error = new SnapshotError('RANGE_NOT_SATISFIABLE', 'the range lies outside');
        sendProblem(res, error, { 'Content-Range': `bytes */${selection.size}` });
        return true;
      }
      default:
        return false;
    }
  }

  /** The headers that a 304 has in common with the 200 (RFC 9110, section 15.4.5). */
  function cachingHeaders(artifact: ServedArtifact): OutgoingHttpHeaders {
    return {
      'Cache-Control': cacheControl,
      ETag: artifact.etag,
      ...('storedAt' in artifact && { 'Last-Modified': formatHttpDate(artifact.storedAt) }),
    };
  }

  function representationHeaders(id: Id, artifact: ServedArtifact): OutgoingHttpHeaders {
    return {
      'Content-Type': kind.contentType,
      'Content-Disposition': attachment(kind.filename(id)),
      ...cachingHeaders(artifact),
      ...kind.headers?.(id, artifact),
      ...('size' in artifact && { 'Content-Length': artifact.size, 'Accept-Ranges': 'bytes' }),
    };
  }

  return {
    methods: ['GET', 'HEAD'],
    parse: (req, repository) => {
      const id = kind.identify(req, repository);
      const answer = req.method === 'HEAD' ? head : get;
      return { wanted: wantedOf(id), serve: (exchange) => answer(id, exchange) };
    },
  };
}

function wantedOf({ kind, repository: _, ...selection }: ArtifactId): ParsedRequest['wanted'] {
  return { artifact: kind, ...selection };
}

function preconditionFailed(): SnapshotError {
  return new SnapshotError('PRECONDITION_FAILED', 'a precondition does not hold');
}
