import type { Agent } from 'node:http';

/** What happens to an entry that the platform or the file system of the target can't have. */
export type OnUnsupported = 'fail' | 'skip';

/** Options of `extractSnapshot`. */
export interface ExtractOptions<Progress = ExtractProgress> {
  /**
   * Called at the start, about once per MiB, and at the end. The call waits for a promise that it
   * returns. If it throws or rejects, the call fails.
   *
   * @default none
   */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * The most bytes of the content of all files and symlinks together.
   *
   * @default 274_877_906_944 (256 GiB)
   */
  readonly maxBytes?: number | undefined;
  /**
   * The most files, symlinks and directories.
   *
   * @default 10_000_000
   */
  readonly maxEntries?: number | undefined;
  /**
   * For entries whose name the target can't have: `con`, `a:b` and `a.` on Windows, characters that
   * its file system refuses, a name that is too long. `'fail'`: the call fails with
   * `NAME_UNSUPPORTED`. `'skip'`: the result lists them as `skipped`, and git shows them as deleted.
   *
   * @default 'fail'
   */
  readonly onUnsupported?: OnUnsupported | undefined;
  /**
   * Ends the call, which then rejects with the signal's own reason, and leaves nothing behind.
   * Nothing else limits how long a stream may take for its next bytes, or a server to begin its
   * answer.
   *
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
}

/** How a server is reached. */
export interface ConnectionOptions {
  /**
   * Headers for the requests, such as `authorization`; not sent to another origin after a redirect.
   *
   * @default {}
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Makes the connections, also after redirects: an `Agent` of `node:http` or `node:https`, such as
   * one for a proxy, a CA or a client certificate; or a function that returns the agent for a URL,
   * or `undefined`. An agent that can't serve the URL's scheme is `INVALID_OPTIONS`.
   *
   * @default none: each request has a connection of its own, by the proxy that `https_proxy`,
   * `http_proxy` and `no_proxy` of the environment name, if any
   */
  readonly agent?: Agent | ((url: URL) => Agent | undefined) | undefined;
  /**
   * Milliseconds for which a failed request is repeated, if the server answers 429, 502, 503 or 504
   * and does not rule out that a retry helps, if it refuses or cuts the connection, or breaks off.
   * The client waits for as long as `Retry-After` says, else from half a second up to 15 seconds. A
   * wait that would end later is not begun: the call fails at once, with the last error. 0: no
   * request is repeated; the rest of a download that broke off is requested all the same.
   *
   * @default 60_000
   */
  readonly retryTimeout?: number | undefined;
}

/** Options of `restoreSnapshot`. */
export interface RestoreOptions extends ExtractOptions<RestoreProgress>, ConnectionOptions {
  /**
   * The URL of a `snapshot.tar.zst`, http or https, without credentials: put these into `headers`.
   */
  readonly url: string | URL;
  /**
   * The target: an empty directory, also `.` or a mount point; a path that does not exist, whose
   * parents are made; or a checkout of the same repository, which is brought up to date.
   */
  readonly directory: string;
  /**
   * Whether an update may overwrite what only the checkout has: it then moves the branch as
   * `git reset --hard` does. Untracked files stay, unless they are in the way of a file.
   *
   * @default false
   */
  readonly force?: boolean | undefined;
}

/** Options of `ensureRefs`. */
export interface EnsureRefsOptions extends ConnectionOptions {
  /** The URL of the repository's `snapshot.tar.zst`, as for `restoreSnapshot`. */
  readonly url: string | URL;
  /**
   * Full names of refs, or `HEAD`, each with the id that it should have, or `''` for any id. Ids may
   * be abbreviated to four digits or more.
   *
   * @default {}
   */
  readonly refs?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
  /**
   * Ids of commits or other objects, which may be abbreviated as well.
   *
   * @default []
   */
  readonly commits?: readonly string[] | undefined;
  /**
   * Ends the call, which then rejects with the signal's own reason.
   *
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
}

/** The result of `ensureRefs`. */
export interface EnsuredRefs {
  /** Each wanted ref → its present id; empty if there is no such ref. */
  readonly refs: ReadonlyMap<string, string>;
  /** The wanted commits that the server's mirror lacks. */
  readonly missingCommits: readonly string[];
  /** Whether the upstream was checked. */
  readonly fetched: boolean;
}

/** How far `extractSnapshot` is. */
export interface ExtractProgress {
  /** Bytes of the snapshot or bundle so far. A repeated request begins at 0. */
  readonly receivedBytes: number;
  /** Files and symlinks so far. */
  readonly files: number;
}

/** How far `restoreSnapshot` is. */
export interface RestoreProgress extends ExtractProgress {
  /** Bytes of the whole snapshot or bundle; `undefined` while the server still builds it. */
  readonly totalBytes: number | undefined;
}

/** The result of `extractSnapshot`. */
export interface ExtractResult {
  /** Bytes of the snapshot, or of the bundle of an update; 0 if the server had nothing newer. */
  readonly receivedBytes: number;
  /** Files and symlinks. */
  readonly files: number;
  /**
   * Whether the snapshot carried a SHA-256, which then was right. Other servers send none. Each object
   * of a bundle is verified by its id.
   */
  readonly verified: boolean;
  /**
   * Paths of files and symlinks whose names are one on the target's file system, such as `README`
   * and `readme`, sorted. Only one of them is there, and git shows the others as modified. Empty on
   * file systems that distinguish all names.
   */
  readonly collisions: readonly string[];
  /** With `onUnsupported: 'skip'`: paths of the entries that are not there. */
  readonly skipped: readonly string[];
}

/**
 * What a restore did. `restored`: the target was empty or missing. `updated`: a checkout was there,
 * and HEAD or a file has changed. `unchanged`: a checkout was there, with all that the server has.
 */
export type RestoreOutcome = 'restored' | 'updated' | 'unchanged';

/** The result of `restoreSnapshot`. Of an update, `files` counts those that were written or removed. */
export interface RestoreResult extends ExtractResult {
  readonly outcome: RestoreOutcome;
  /**
   * The commit that is checked out; `undefined` if there is none, or if a server does not name that of
   * a restored snapshot.
   */
  readonly commit: string | undefined;
}
