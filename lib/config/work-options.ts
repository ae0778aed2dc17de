/** How much work runs or waits at once. Hits always pass. */
export interface ConcurrencyOptions {
  /**
   * Clones of each host that run at once. More wait in a queue of that host. Each has a thread.
   *
   * @default 2
   */
  readonly clonesPerHost?: number | undefined;
  /**
   * Repositories of each host that are checked and fetched at once, and as many queries to mirrors.
   * More wait in a queue of that host. Each has a thread.
   *
   * @default 8
   */
  readonly fetchesPerHost?: number | undefined;
  /**
   * Builds that run at once. More wait for fair turns. Each has a thread, and a large one has a
   * second.
   *
   * @default 2
   */
  readonly builds?: number | undefined;
  /**
   * Builds that run or wait, plus repositories whose mirrors are queried for `ensure-refs` and
   * bundles. More work is answered with 503.
   *
   * @default 1000
   */
  readonly maxPendingBuilds?: number | undefined;
  /**
   * Builds of one repository, for `ref`, `depth` and bundles, that run or wait. One more is
   * answered with 429.
   *
   * @default 32
   */
  readonly maxPendingVariants?: number | undefined;
  /**
   * Threads that index one pack, including the one that receives it: 1 to 64.
   *
   * @default the number of processors, at most 4
   */
  readonly indexThreads?: number | undefined;
}

/** How long work on a repository may take. */
export interface TimeoutOptions {
  /**
   * Milliseconds within which a connection to the upstream must be made.
   *
   * @default 10_000
   */
  readonly connectTimeout?: number | undefined;
  /**
   * Milliseconds within which the upstream's list of refs must arrive, and before that the answer of
   * `credentials`. Otherwise, the upstream counts as down.
   *
   * @default 60_000
   */
  readonly refsTimeout?: number | undefined;
  /**
   * Milliseconds within which a clone or fetch must make progress: until the first MiB of the pack,
   * for each 256 MiB, and from the end of the pack to the verified mirror. The whole clone has no
   * limit.
   *
   * @default 120 * 60_000
   */
  readonly fetchTimeout?: number | undefined;
  /**
   * Milliseconds after which a fetch fails if no byte of the pack arrives. It counts from the first
   * byte on.
   *
   * @default 60_000
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Milliseconds for one build, for storing it, for one repack, and for one connectivity check.
   *
   * @default 30 * 60_000
   */
  readonly buildTimeout?: number | undefined;
}
