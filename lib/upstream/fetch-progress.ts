import type { IngestProgress } from '../pack/ingest-progress.js';

/** What a fetch reports while it runs. */
export type FetchProgress =
  | ({ readonly kind: 'pack' } & IngestProgress)
  /** A message such as "Counting objects: 12% (3/25)". If there are many, some are skipped. */
  | { readonly kind: 'message'; readonly text: string };
