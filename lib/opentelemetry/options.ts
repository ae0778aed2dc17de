import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import type { RepositoryId } from '../repository.js';

/** The options of all functions of this entry. */
export interface InstrumentOptions {
  /**
   * Gets the metrics.
   *
   * @default the provider that the app has registered; without one, nothing is measured
   */
  readonly meterProvider?: MeterProvider | undefined;
  /**
   * Gets the spans.
   *
   * @default the provider that the app has registered; without one, there are no spans
   */
  readonly tracerProvider?: TracerProvider | undefined;
  /**
   * Whether metrics of requests and jobs have the attribute `git_snapshot.repository`; a function
   * selects the repositories. Risk: each repository that clients make up adds time series.
   *
   * @default false
   */
  readonly perRepository?: boolean | ((repository: RepositoryId) => boolean) | undefined;
}

/** The options of `instrumentStore`. */
export interface InstrumentStoreOptions extends InstrumentOptions {
  /**
   * The attribute `git_snapshot.store`. Give the two stores of a `TieredStore` different names.
   *
   * @default store
   */
  readonly name?: string | undefined;
  /**
   * Milliseconds between two countings of the stored objects and their bytes, each by one `list` of
   * the store. Cost: in S3, a request for each 1,000 objects.
   *
   * @default undefined: the objects are not counted
   */
  readonly countInterval?: number | undefined;
}
