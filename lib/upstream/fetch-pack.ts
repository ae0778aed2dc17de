import { unlessLate } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import { encodeFetchRequest, readFetchAnswer } from '../git/upload-pack.js';
import { type IngestedPack, type IngestOptions, ingestPack } from '../pack/ingest.js';
import { connect } from './discover.js';
import type { FetchProgress } from './fetch-progress.js';
import type { UpstreamClient } from './http-client.js';
import type { UpstreamTask } from './task.js';

/** Milliseconds between messages: an upstream that sends many must not keep the host busy. */
const MESSAGE_INTERVAL = 100;

export interface FetchRequest {
  readonly wants: readonly string[];
  readonly haves: readonly string[];
  readonly capabilities: ReadonlySet<string>;
}

/**
 * Fetches one pack into a directory: one `upload-pack`. Hashes every object.
 *
 * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`.
 */
export async function fetchPack(
  task: UpstreamTask,
  http: UpstreamClient,
  { wants, haves, capabilities }: FetchRequest,
  directory: string,
  onProgress: (progress: FetchProgress) => void,
  options: Omit<IngestOptions, 'onProgress'>,
): Promise<IngestedPack> {
  const body = encodeFetchRequest(wants, haves, capabilities, task.userAgent);
  const answer = await connect(task, http, body);
  let reportedAt = Number.NEGATIVE_INFINITY;
  const pack = readFetchAnswer(answer, (text) => {
    if (performance.now() - reportedAt < MESSAGE_INTERVAL) return;
    reportedAt = performance.now();
    onProgress({ kind: 'message', text });
  });
  const arriving = failWhenStalled(pack, task.limits.stallTimeout);
  return await ingestPack(arriving, directory, task.limits, {
    ...options,
    onProgress: (progress) => onProgress({ kind: 'pack', ...progress }),
  });
}

/**
 * Yields the chunks of a pack. The limit begins after the first chunk: servers may take minutes to
 * prepare the pack.
 *
 * @param source yields no empty chunks.
 * @throws SnapshotError `UPSTREAM_TIMEOUT` when the consumer waits `milliseconds` for a chunk.
 */
export async function* failWhenStalled(
  source: AsyncIterable<Uint8Array>,
  milliseconds: number,
): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  const late = () =>
    new SnapshotError('UPSTREAM_TIMEOUT', `the upstream sent nothing for ${milliseconds} ms`);
  let result = await chunks.next();
  try {
    while (!result.done) {
      yield result.value;
      result = await unlessLate(chunks.next(), milliseconds, late);
    }
  } finally {
    // Not awaited: a stalled source returns only when its owner destroys it.
    if (!result.done) chunks.return?.()?.catch(() => {});
  }
}
