import { encodeFetchRequest, readFetchAnswer } from '../git/upload-pack.js';
import {
  type IngestedPack,
  type IngestOptions,
  type IngestProgress,
  ingestPack,
} from '../pack/ingest.js';
import { connect } from './discover.js';
import type { UpstreamClient } from './http-client.js';
import { failWhenStalled } from './stall.js';
import type { UpstreamTask } from './task.js';

export type FetchProgress =
  | ({ readonly kind: 'pack' } & IngestProgress)
  /** The upstream's own words, such as "Counting objects: 12% (3/25)"; some of them, if many. */
  | { readonly kind: 'message'; readonly text: string };

/** Milliseconds between messages: an upstream that talks on and on must not keep the host busy. */
const MESSAGE_INTERVAL = 100;

export interface FetchRequest {
  readonly wants: readonly string[];
  readonly haves: readonly string[];
  /** What the upstream advertised. */
  readonly capabilities: ReadonlySet<string>;
}

/**
 * Fetches one pack into a directory: one `upload-pack`. Every object of it is hashed.
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
  const answer = await connect(task, http, body, {});
  let toldAt = Number.NEGATIVE_INFINITY;
  const pack = readFetchAnswer(answer, (text) => {
    if (performance.now() - toldAt < MESSAGE_INTERVAL) return;
    toldAt = performance.now();
    onProgress({ kind: 'message', text });
  });
  const arriving = failWhenStalled(pack, task.limits.stallTimeout);
  return await ingestPack(arriving, directory, task.limits, {
    ...options,
    onProgress: (progress) => onProgress({ kind: 'pack', ...progress }),
  });
}
