/** How soon clients see a push, and how often the upstream is asked. */
export interface FreshnessOptions {
  /**
   * If the last check is older than `maxAge`, `stale-while-revalidate` serves the stored snapshot,
   * and checks the upstream in the background. `strict` checks the upstream first, and builds a new
   * snapshot if refs have moved. Both serve the stored snapshot when the upstream can't be reached.
   *
   * @default stale-while-revalidate
   */
  readonly mode?: 'stale-while-revalidate' | 'strict' | undefined;
  /**
   * Milliseconds for which a check of the upstream counts. A failed check counts no longer than
   * `checkInterval`. 0: each request checks.
   *
   * @default 60_000
   */
  readonly maxAge?: number | undefined;
  /**
   * The least milliseconds between an upstream's checks in the background or for a missing ref.
   *
   * @default 5000
   */
  readonly checkInterval?: number | undefined;
  /**
   * The least milliseconds between background builds of a default snapshot after pushes. Mirror and
   * bundles stay fresh. No effect in mode `strict` or on a refresh by hand.
   *
   * @default 5 * 60_000
   */
  readonly minRebuildInterval?: number | undefined;
  /**
   * Milliseconds for which a failed clone, or a failed build of the same refs, is not repeated. 0:
   * it is repeated at once. Risk of 0: every retry of a client reaches the upstream.
   *
   * @default 30_000
   */
  readonly negativeCacheTtl?: number | undefined;
  /**
   * Milliseconds for which an upstream may refuse a repository (401, 403, 404 or 410, and no other
   * answer) before the repository is no longer served, and its mirror and stored artifacts are
   * deleted: it became private or was deleted. An outage never has this effect. Risk: expired
   * credentials cause refusals, too.
   *
   * @default 60 * 60_000
   */
  readonly forgetAfter?: number | undefined;
  /**
   * Milliseconds between refreshes of repositories in use.
   *
   * @default none: only requests cause them
   */
  readonly refreshInterval?: number | undefined;
  /**
   * Milliseconds after the last request for which a repository counts as in use.
   *
   * @default 24 * 60 * 60_000
   */
  readonly stopRefreshingAfter?: number | undefined;
}
