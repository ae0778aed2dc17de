import type { IngestProgress } from '../pack/ingest-progress.js';

/** The progress of a clone or fetch. */
export type FetchProgress =
  | ({ readonly kind: 'pack' } & IngestProgress)
  /** A message such as "Counting objects: 12% (3/25)". If there are many, some are skipped. */
  | { readonly kind: 'message'; readonly text: string };
