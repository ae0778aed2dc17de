import { demand, demandHeader, refusal } from './wire-contract.js';

export interface DownloadOptions {
  /** Bytes of each range. */
  readonly chunkBytes: number;
  /** Requests at a time; as many chunks are in memory. */
  readonly concurrency: number;
}

/** The first answer, whose body is still being received. */
export interface FleetDownload {
  /** 200: the whole, from one request. 206: ranges. */
  readonly status: 200 | 206;
  readonly etag: string;
  /** `undefined` in a repository without commits. */
  readonly commit: string | undefined;
  /** As the header has it. */
  readonly bundleUrl: string | undefined;
  /** The bytes, in their order. Read it to its end, or return it. */
  readonly body: AsyncGenerator<Uint8Array>;
}

const COMMIT = 'x-cachew-snapshot-commit';

/**
 * Downloads a snapshot as the fleet does: a first request for one chunk, whose answer names size and
 * entity tag; then ranges of that entity, several at a time.
 *
 * @throws ContractViolation | RequestRefused
 */
export async function startDownload(
  url: string,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<FleetDownload> {
  const range = `bytes=0-${options.chunkBytes - 1}`;
  const response = await fetch(url, { headers: { range }, redirect: 'error', signal });
  const { status } = response;
  if (status !== 200 && status !== 206) throw await refusal(response);
  const said = {
    etag: demandHeader(response, 'etag', /^"[\x21\x23-\x7e]*"$/, 'strong ETag'),
    commit: response.headers.get(COMMIT) ?? undefined,
    bundleUrl: response.headers.get('x-cachew-bundle-url') ?? undefined,
  };
  demandHeader(response, 'content-type', 'application/zstd', '200 application/zstd');
  demandHeader(
    response,
    'content-disposition',
    /^attachment; filename="[^"]+\.tar\.zst"$/,
    'Content-Disposition: attachment; filename="{base}.tar.zst"',
  );
  demand(
    said.commit === undefined || /^[0-9a-f]{40}$/.test(said.commit),
    'X-Cachew-Snapshot-Commit: {sha of HEAD}',
    said.commit,
  );
  if (status === 200) return { status, ...said, body: wholeBody(response) };

  demandHeader(response, 'accept-ranges', 'bytes', 'Accept-Ranges: bytes');
  demandHeader(response, 'last-modified', / GMT$/, 'Last-Modified');
  const contentRange = response.headers.get('content-range') ?? '';
  const total = Number(/^bytes 0-\d+\/(\d+)$/.exec(contentRange)?.[1]);
  demand(total > 0, '206 with Content-Range', contentRange);
  const entity = { url, total, etag: said.etag, commit: said.commit };
  return { status, ...said, body: ranges(response, entity, options, signal) };
}

interface Entity {
  readonly url: string;
  readonly total: number;
  readonly etag: string;
  readonly commit: string | undefined;
}

/** A 200 to the first is taken as the whole body. */
async function* wholeBody(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body !== null) yield* response.body;
}

async function* ranges(
  first: Response,
  entity: Entity,
  { chunkBytes, concurrency }: DownloadOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const failed = new AbortController();
  const ends = AbortSignal.any([signal, failed.signal]);
  const running: Promise<Uint8Array>[] = [readRange(first, entity, 0, chunkBytes)];
  try {
    for (let next = chunkBytes; running.length > 0; ) {
      for (; next < entity.total && running.length < concurrency; next += chunkBytes) {
        const chunk = fetchRange(entity, next, chunkBytes, ends);
        chunk.catch((error) => failed.abort(error)); // the error is thrown below, in its turn
        running.push(chunk);
      }
      const chunk = await running[0];
      running.shift();
      if (chunk !== undefined) yield chunk;
    }
  } catch (error) {
    throw failed.signal.aborted && !signal.aborted ? failed.signal.reason : error;
  } finally {
    failed.abort();
    await Promise.allSettled(running);
  }
}

const LATER = 'later ones carry If-Match and need 206 with a byte-identical ETag';

async function fetchRange(
  entity: Entity,
  start: number,
  chunkBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const range = `bytes=${start}-${Math.min(start + chunkBytes, entity.total) - 1}`;
  const headers = { range, 'if-match': entity.etag };
  const response = await fetch(entity.url, { headers, redirect: 'error', signal });
  if (response.status >= 400) throw await refusal(response);
  demand(response.status === 206, LATER, { status: response.status });
  demandHeader(response, 'etag', entity.etag, LATER);
  return readRange(response, entity, start, chunkBytes);
}

/** The bytes of a 206; its headers must say just that. */
async function readRange(
  response: Response,
  { total, commit }: Entity,
  start: number,
  chunkBytes: number,
): Promise<Uint8Array> {
  const stop = Math.min(start + chunkBytes, total);
  const contentRange = `bytes ${start}-${stop - 1}/${total}`;
  demandHeader(response, 'content-range', contentRange, '206 with Content-Range');
  const found = response.headers.get(COMMIT) ?? undefined;
  demand(found === commit, '206 with Content-Range and the same commit header', found);
  const bytes = new Uint8Array(await response.arrayBuffer());
  demand(bytes.length === stop - start, '206 with Content-Range', {
    contentRange,
    bytes: bytes.length,
  });
  return bytes;
}
