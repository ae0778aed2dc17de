/** Limits of one repository. If it exceeds one, the answer is 503 `LIMIT_EXCEEDED`. */
export interface LimitOptions {
  /**
   * Bytes of the upstream's list of refs.
   *
   * @default 64 * 1024 ** 2
   */
  readonly maxRefsBytes?: number | undefined;
  /**
   * Bytes of one pack.
   *
   * @default 16 * 1024 ** 3
   */
  readonly maxPackBytes?: number | undefined;
  /**
   * Objects in one pack. Each takes 50 bytes of memory while it is indexed.
   *
   * @default 20_000_000
   */
  readonly maxObjects?: number | undefined;
  /**
   * Bytes of one object, inflated.
   *
   * @default 4 * 1024 ** 3
   */
  readonly maxObjectBytes?: number | undefined;
  /**
   * Bytes of all objects of one pack, inflated and with deltas applied.
   *
   * @default 2048 * 1024 ** 3
   */
  readonly maxResolvedBytes?: number | undefined;
  /**
   * The highest ratio of the bytes in `maxResolvedBytes` to the bytes of the pack. It applies if
   * the resolved bytes exceed 4 GiB.
   *
   * @default 5000
   */
  readonly maxExpansionRatio?: number | undefined;
  /**
   * Bytes of an object that must be in memory as a whole: deltas, their bases, converted text.
   * Risk: each indexing thread and each build may hold several objects of this size.
   *
   * @default 512 * 1024 ** 2
   */
  readonly maxObjectBytesInMemory?: number | undefined;
  /**
   * Files and directories in one checkout.
   *
   * @default 2_000_000
   */
  readonly maxFiles?: number | undefined;
  /**
   * Bytes of the paths of all files and directories in one checkout, each from the root.
   *
   * @default 256 * 1024 ** 2
   */
  readonly maxPathBytes?: number | undefined;
  /**
   * Bytes of the files of one checkout.
   *
   * @default 16 * 1024 ** 3
   */
  readonly maxCheckoutBytes?: number | undefined;
  /**
   * Steps of matching the paths of one checkout with its `.gitattributes` files: one for each
   * compared byte, and some for each line read. A step takes 5 ns.
   *
   * @default 2_000_000_000
   */
  readonly maxAttributeSteps?: number | undefined;
}

/** How much is kept. The service evicts what exceeds a budget, the least recently used first. */
export interface BudgetOptions {
  /**
   * Bytes of all mirrors. A mirror in use is never evicted. Risk: with a budget smaller than the
   * mirrors in use, the service clones again and again.
   *
   * @default 100 GiB or half of the disk of `dataDir`, whichever is less
   */
  readonly maxMirrorBytes?: number | undefined;
  /**
   * Bytes of the default store's directory. Setting it beside a `store` of your own is an error:
   * give that store its limit.
   *
   * @default 50 GiB or a quarter of the disk of `dataDir`, whichever is less
   */
  readonly maxStoreBytes?: number | undefined;
  /**
   * Stored snapshots by `ref` or `depth`, and bundles, of one repository: 0 to 10,000. 0: none of
   * them is stored.
   *
   * @default 16
   */
  readonly maxVariants?: number | undefined;
  /**
   * Bytes of delta bases that each indexing thread caches. A build caches half as much.
   *
   * @default 16 * 1024 ** 2
   */
  readonly deltaCacheBytes?: number | undefined;
}
