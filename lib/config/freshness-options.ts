/** How soon clients see a push, and how often the upstream is asked. */
export interface FreshnessOptions {
  /**
   * Milliseconds for which a check of the upstream counts. A failed check counts no longer than
   * `checkInterval`. 0: each request checks.
   *
   * @default 60_000
   */
  readonly maxAge?: number | undefined;
  /**
   * Milliseconds after `maxAge` for which a stored artifact is served while the upstream is checked,
   * or the artifact is built again, in the background. They begin earlier if a check finds that refs
   * have moved. Later, clients wait for the check and the build. `Infinity`: they never wait. 0: they
   * always get what the upstream had at the last check. Risk of 0: clients wait for the upstream.
   *
   * @default 24 * 60 * 60_000
   */
  readonly staleWhileRevalidate?: number | undefined;
  /**
   * Milliseconds after `maxAge` for which an artifact is served although checks fail. Later, clients
   * get the failure of the check, except within `staleWhileRevalidate`. 0: they get it at once. Risk
   * of a small value: an outage of the upstream becomes an outage of this service.
   *
   * @default Infinity
   */
  readonly staleIfError?: number | undefined;
  /**
   * The least milliseconds between an upstream's checks in the background or for a missing ref.
   *
   * @default 5000
   */
  readonly checkInterval?: number | undefined;
  /**
   * The least milliseconds between background builds of a default snapshot after pushes. Mirror and
   * bundles stay fresh. A build never waits for more than half of `staleWhileRevalidate`, so that no
   * client has to wait for it. No effect on a refresh by hand.
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
