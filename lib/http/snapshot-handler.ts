import type { OutgoingHttpHeaders } from 'node:http';
import type { Response } from 'express';
import { SnapshotError } from '../errors.js';
import type { SnapshotConfig } from '../options.js';
import type { ArtifactSource, GeneratedArtifact, StoredArtifact } from '../snapshot/artifact.js';
import type { ByteRange } from '../stores/store.js';
import { sendBody } from './body.js';
import { evaluatePreconditions, needsSelection, type Selection, select } from './conditional.js';
import { attachment } from './content-disposition.js';
import type { ArtifactHandler, Exchange } from './exchange.js';
import { formatHttpDate } from './http-date.js';
import { sendProblem } from './problem.js';

type Snapshot = StoredArtifact | GeneratedArtifact;

/** A snapshot that is replaced this often between `stat` and `open` is sent whole. */
const MAX_OPEN_ATTEMPTS = 3;

/**
 * `GET` and `HEAD` of `snapshot.tar.zst`.
 *
 * - A plain GET asks `get` alone. A GET with conditions or a range looks at what is stored first and
 *   opens exactly the revision that it decided on. HEAD asks `stat` alone.
 * - `Cache-Control: no-cache` lets caches keep a snapshot but makes them revalidate it by its tag at
 *   each use, as the next fetch may replace it. With `authorize` it is also `private`.
 */
export function createSnapshotHandler(
  source: ArtifactSource,
  config: Pick<SnapshotConfig, 'authorize'>,
): ArtifactHandler {
  const cacheControl = config.authorize === undefined ? 'no-cache' : 'private, no-cache';

  async function head({ req, res, repository, signal }: Exchange): Promise<void> {
    const stored = await source.stat(repository, { signal });
    if (stored === undefined) throw new SnapshotError('NOT_STORED', 'nothing is stored');
    if (!answersWithoutBody(res, select(req, stored), stored)) {
      res.writeHead(200, representationHeaders(stored)).end();
    }
  }

  async function get({ req, res, repository, signal }: Exchange): Promise<void> {
    for (let attempt = 0; needsSelection(req) && attempt < MAX_OPEN_ATTEMPTS; attempt++) {
      const stored = await source.stat(repository, { signal });
      if (stored === undefined) {
        // Without a current representation not even `*` matches (RFC 9110, section 13.1.1).
        if (req.headers['if-match'] !== undefined) throw preconditionFailed();
        break;
      }
      const selection = select(req, stored);
      if (answersWithoutBody(res, selection, stored)) return;
      const range = selection.kind === 'part' ? selection.range : undefined;
      const { revision } = stored;
      const opened = await source.open(repository, { range, revision, signal });
      if (opened === undefined) continue; // replaced or evicted since
      const whole = representationHeaders(opened);
      if (range === undefined) {
        return sendBody(res, 200, whole, opened.body, { length: opened.size, signal });
      }
      const length = range.end - range.start + 1;
      const part = { 'Content-Length': length, 'Content-Range': contentRange(range, opened.size) };
      return sendBody(res, 206, { ...whole, ...part }, opened.body, { length, signal });
    }

    const snapshot = await source.get(repository, { signal });
    const precondition = evaluatePreconditions(req, snapshot);
    if (precondition === 'holds') {
      const length = snapshot.source === 'store' ? snapshot.size : undefined;
      const headers = representationHeaders(snapshot);
      return sendBody(res, 200, headers, snapshot.body, { length, signal });
    }
    snapshot.body.destroy();
    answersWithoutBody(res, { kind: precondition }, snapshot);
  }

  /** Whether the selection needs no body; then it has been answered. */
  function answersWithoutBody(res: Response, selection: Selection, snapshot: Snapshot): boolean {
    switch (selection.kind) {
      case 'failed':
        throw preconditionFailed();
      case 'not-modified':
        res.writeHead(304, cachingHeaders(snapshot)).end();
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

  /** What a 304 has of the 200 that it stands for (RFC 9110, section 15.4.5). */
  function cachingHeaders(snapshot: Snapshot): OutgoingHttpHeaders {
    return {
      'Cache-Control': cacheControl,
      ETag: snapshot.etag,
      ...('storedAt' in snapshot && { 'Last-Modified': formatHttpDate(snapshot.storedAt) }),
    };
  }

  function representationHeaders(snapshot: Snapshot): OutgoingHttpHeaders {
    const { repository, commit } = snapshot;
    const name = repository.path.slice(repository.path.lastIndexOf('/') + 1);
    return {
      'Content-Type': 'application/zstd',
      'Content-Disposition': attachment(`${name}.tar.zst`),
      ...cachingHeaders(snapshot),
      ...(commit !== undefined && { 'X-Cachew-Snapshot-Commit': commit }),
      ...('size' in snapshot && { 'Content-Length': snapshot.size, 'Accept-Ranges': 'bytes' }),
    };
  }

  return {
    methods: ['GET', 'HEAD'],
    serve: (exchange) => (exchange.req.method === 'HEAD' ? head(exchange) : get(exchange)),
  };
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`;
}

function preconditionFailed(): SnapshotError {
  return new SnapshotError('PRECONDITION_FAILED', 'a precondition does not hold');
}
