import type { LockRegistry } from '../locks/registry.js';
import type { SnapshotStore } from '../stores/store.js';
import type { FreshnessOptions } from './freshness-options.js';
import type { HostOptions } from './host-options.js';
import type { BudgetOptions, LimitOptions } from './limit-options.js';
import type { Logger } from './logger.js';
import type { ConcurrencyOptions, TimeoutOptions } from './work-options.js';

/** The options of `createSnapshotService`. Times are in milliseconds, sizes in bytes. */
export interface ServiceOptions {
  /** Directory for mirrors, unfinished files and the default store; created if missing. */
  readonly dataDir: string;
  /**
   * The allow-list: host names, or an object with the options of each host. The service connects to
   * no other host. A name is in lower case, with a port if clients should write one.
   */
  readonly hosts: readonly string[] | Readonly<Record<string, HostOptions>>;
  /**
   * Where artifacts are stored. The app that made the store closes it, after the service.
   *
   * @default `FileSystemStore` in `dataDir`
   */
  readonly store?: SnapshotStore | undefined;
  /**
   * Keeps two builds of one artifact from running at once. The default covers all processes on this
   * machine that have this `dataDir`. The app that made the registry closes it, after the service.
   *
   * @default `MachineLocks` in `dataDir`
   */
  readonly locks?: LockRegistry | undefined;
  /**
   * How soon clients see a push.
   *
   * @default {}
   */
  readonly freshness?: FreshnessOptions | undefined;
  /**
   * How much work runs or waits at once.
   *
   * @default {}
   */
  readonly concurrency?: ConcurrencyOptions | undefined;
  /**
   * How long work on a repository may take.
   *
   * @default {}
   */
  readonly timeouts?: TimeoutOptions | undefined;
  /**
   * Limits of one repository.
   *
   * @default {}
   */
  readonly limits?: LimitOptions | undefined;
  /**
   * How much is kept.
   *
   * @default {}
   */
  readonly budgets?: BudgetOptions | undefined;
  /**
   * The contents of snapshots.
   *
   * @default {}
   */
  readonly snapshot?: SnapshotFormatOptions | undefined;
  /**
   * Gets a failed start, failed jobs, and other failures that no client sees; `false`: nothing is
   * logged. `console` gets one line for each. It may be that of pino, bunyan, winston or Backstage, or any that `Logger` describes.
   *
   * @default `console`
   */
  readonly logger?: Logger | false | undefined;
  /**
   * Repositories whose default snapshots are brought up to date, or built, after each start: names
   * (`github.com/org/repo`) or clone URLs. `recent`: those that clients used within
   * `stopRefreshingAfter`, as far as `dataDir` still has their mirrors. The service serves clients
   * meanwhile: this is background work.
   *
   * @default none
   */
  readonly warm?: 'recent' | readonly string[] | undefined;
  /**
   * The `User-Agent` that upstreams get, in printable ASCII. Some hosts choose the smart protocol
   * by the `git/` at its start.
   *
   * @default git/2.0 (express-git-snapshot)
   */
  readonly userAgent?: string | undefined;
}

/** The contents of snapshots. If an option changes, stored snapshots are built again. */
export interface SnapshotFormatOptions {
  /**
   * zstd level of everything but packs, which do not compress: 1 (fast) to 19 (small).
   *
   * @default 1
   */
  readonly compressionLevel?: number | undefined;
  /**
   * Writes `core.checkStat=minimal` and `core.trustctime=false` into the snapshot's config, so that
   * the first `git status` re-reads no file. Risk: git can then miss a change of a file that keeps
   * both its size and the second of its modification time.
   *
   * @default true
   */
  readonly trustFileTimes?: boolean | undefined;
}
