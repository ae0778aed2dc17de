import type { IngestProgress } from '../pack/ingest-progress.js';

/** The progress of a clone or fetch. */
export type FetchProgress =
  | ({ readonly kind: 'pack' } & IngestProgress)
  /** A message such as "Counting objects: 12% (3/25)". If there are many, some are skipped. */
  | { readonly kind: 'message'; readonly text: string }
  | ({ readonly kind: 'request' } & UpstreamRequest);

/** An HTTP request that the upstream has answered, or failed to answer. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST';
  /** With its port, if it has one. */
  readonly host: string;
  /** `undefined`: the connection failed. */
  readonly status: number | undefined;
  /** Milliseconds until the head of the answer. */
  readonly durationMs: number;
}
