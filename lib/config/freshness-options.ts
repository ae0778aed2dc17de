/** How soon clients see a push, and how often the upstream is checked. */
export interface FreshnessOptions {
  /**
   * Milliseconds after a check for which the upstream is not checked again; after a failed check,
   * for `checkInterval` at most. 0: each request checks it.
   *
   * @default 60_000
   */
  readonly maxAge?: number | undefined;
  /**
   * Milliseconds after `maxAge`, or after a check found that refs had moved, for which clients get
   * a stored artifact at once; the service checks the upstream, or builds the artifact, in the
   * background. Later, clients wait for that work. `Infinity`: they never wait. 0: they always get
   * what the upstream had at the last check. Risk of 0: clients wait for the upstream.
   *
   * @default 24 * 60 * 60_000
   */
  readonly staleWhileRevalidate?: number | undefined;
  /**
   * Milliseconds after `maxAge` for which a stored artifact is still served if checks fail, and a
   * missing one is built from the mirror. Later, clients get the failure of the check, except
   * within `staleWhileRevalidate`. Risk of a small value: an outage of the upstream becomes an
   * outage of this service.
   *
   * @default Infinity
   */
  readonly staleIfError?: number | undefined;
  /**
   * The least milliseconds between two background checks of one upstream, and between two checks
   * for a missing ref or commit.
   *
   * @default 5000
   */
  readonly checkInterval?: number | undefined;
  /**
   * The least milliseconds between storing a default snapshot, and building it again in the
   * background after a push. Mirror, `ensure-refs` and bundles are up to date meanwhile. A build
   * waits for half of `staleWhileRevalidate` at most. No effect on `service.refresh`.
   *
   * @default 5 * 60_000
   */
  readonly minRebuildInterval?: number | undefined;
  /**
   * Milliseconds for which a failed clone, or a failed build of the same refs, is not repeated; for
   * failures that last, twice as long each time, up to an hour. 0: the next request repeats it. Risk
   * of 0: every retry of a client reaches the upstream.
   *
   * @default 30_000
   */
  readonly negativeCacheTtl?: number | undefined;
  /**
   * Milliseconds after which the service stops serving a repository that the upstream refuses (401,
   * 403, 404 or 410, and no other answer meanwhile), and deletes its mirror and stored artifacts.
   * An outage never causes that. Risk: expired credentials cause refusals, too.
   *
   * @default 60 * 60_000
   */
  readonly forgetAfter?: number | undefined;
  /**
   * Milliseconds between refreshes of each repository in use, plus or minus a fifth.
   *
   * @default none: only requests, pushes and your own calls cause a refresh
   */
  readonly refreshInterval?: number | undefined;
  /**
   * Milliseconds after the last request for which a repository counts as in use.
   *
   * @default 24 * 60 * 60_000
   */
  readonly stopRefreshingAfter?: number | undefined;
}
