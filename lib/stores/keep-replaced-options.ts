/** Options of stores that keep replaced revisions, for clients that still read them in parts. */
export interface KeepReplacedOptions {
  /**
   * Milliseconds for which a replaced revision can still be read by its name. 0: none is kept.
   *
   * @default 600_000
   */
  readonly keepReplacedFor?: number | undefined;
  /**
   * Bytes of all replaced revisions. The oldest are evicted first.
   *
   * @default 16 GiB
   */
  readonly maxReplacedBytes?: number | undefined;
}
