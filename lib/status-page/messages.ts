// What the status page's server sends to the page in the browser, as JSON. Times are in milliseconds
// since the epoch, by the server's clock.

/**
 * `failing`: the last check or job failed. `current`, `stale`: of the stored snapshot. `mirrored`: only
 * a mirror is there. `absent`: neither a mirror nor a snapshot.
 */
export const STATES = ['failing', 'current', 'stale', 'mirrored', 'absent'] as const;
export type RepositoryState = (typeof STATES)[number];

export const SORT_KEYS = ['name', 'state', 'age', 'size', 'hits', 'checked', 'error'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

/** What visitors of the status page may do with a repository. */
export type StatusPageAction = 'refresh' | 'remove';
export const ACTIONS = ['refresh', 'remove'] as const satisfies readonly StatusPageAction[];

/** The work on a repository that runs at this moment. */
export type RowActivity = 'clone' | 'fetch' | 'build' | 'store' | 'repack' | StatusPageAction;

export interface RowFailure {
  readonly code: string;
  readonly message: string;
  /** The work that failed. */
  readonly during: string;
  /** `undefined`: before the page was made. */
  readonly at?: number | undefined;
}

export interface RepositoryRow {
  /** `{host}/{path}`. */
  readonly name: string;
  readonly state: RepositoryState;
  readonly activity?: RowActivity | undefined;
  /** Of the stored snapshot; otherwise of the mirror. */
  readonly commit?: string | undefined;
  readonly storedAt?: number | undefined;
  /** Bytes of the stored snapshot. */
  readonly size?: number | undefined;
  readonly mirrorBytes?: number | undefined;
  readonly packs?: number | undefined;
  /** Since the page was made. */
  readonly hits: number;
  readonly misses: number;
  readonly requestedAt?: number | undefined;
  readonly checkedAt?: number | undefined;
  readonly failure?: RowFailure | undefined;
}

/** A part of the repositories, filtered and sorted. */
export interface RepositoryPage {
  readonly rows: readonly RepositoryRow[];
  readonly offset: number;
  /** How many pass the filter. */
  readonly matching: number;
  readonly total: number;
  /** How many there are of each state, whatever the filter. */
  readonly states: Readonly<Record<RepositoryState, number>>;
  /** When the service has listed the repositories; `undefined` until it has. */
  readonly listedAt?: number | undefined;
  /** Why the last attempt to list them failed. */
  readonly failure?: RowFailure | undefined;
}

export interface JobProgress {
  readonly phase: 'receiving' | 'resolving' | 'waiting';
  readonly receivedBytes: number;
  readonly receivedObjects: number;
  readonly totalObjects?: number | undefined;
  /** The last message of the upstream. */
  readonly message?: string | undefined;
}

export interface RunningJob {
  readonly id: string;
  readonly kind: 'clone' | 'fetch' | 'build' | 'store' | 'repack';
  readonly name: string;
  /** The ref and depth of a variant, or the base of a bundle. */
  readonly variant?: string | undefined;
  readonly startedAt: number;
  readonly progress?: JobProgress | undefined;
}

interface Load {
  readonly running: number;
  readonly queued: number;
}

interface Threads {
  readonly busy: number;
  readonly idle: number;
}

interface Usage {
  readonly bytes: number;
  readonly maxBytes: number;
}

/** Everything on the page except the repositories. */
export interface Overview {
  readonly now: number;
  /** When the page was made: counts begin then. */
  readonly since: number;
  readonly repositories: number;
  readonly mirrors: number;
  readonly work: Readonly<Record<'clones' | 'fetches' | 'queries' | 'repacks' | 'builds', Load>>;
  readonly threads: { readonly mirrors: Threads; readonly builds: Threads };
  readonly mirrorUsage?: Usage | undefined;
  readonly storeUsage?: Usage | undefined;
  readonly disk?: { readonly freeBytes: number; readonly bytes: number } | undefined;
  /** Why the usage of the disk is not known. */
  readonly usageFailure?: RowFailure | undefined;
  /** The jobs that run longest; `jobCount` counts all. */
  readonly jobs: readonly RunningJob[];
  readonly jobCount: number;
}

/** The first answer to the page. */
export interface Start {
  readonly overview: Overview;
  /** Those that this visitor may do. */
  readonly actions: readonly StatusPageAction[];
  /** As the option `snapshotsUrl`. */
  readonly snapshotsUrl: string;
}

/** A change of rows: an event of the stream. */
export interface RowsChanged {
  readonly rows: readonly RepositoryRow[];
  readonly removed: readonly string[];
  /** Whether more has changed than the event tells: the page requests its rows again. */
  readonly reload: boolean;
}

/** The header that the page sends with each action. No form and no simple request can send it. */
export const ACTION_HEADER = 'x-status-page-action';
