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

/** Options of `restoreSnapshot`. */
export interface RestoreOptions extends ExtractOptions<RestoreProgress> {
  /**
   * The URL of a `snapshot.tar.zst`, http or https, without credentials: put these into `headers`.
   */
  readonly url: string | URL;
  /**
   * The target: an empty directory, also `.` or a mount point; or a path that does not exist, whose
   * parents are made.
   */
  readonly directory: string;
  /**
   * Headers for the request, such as `authorization`; not sent to another origin after a redirect.
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
}

/** How far `extractSnapshot` is. */
export interface ExtractProgress {
  /** Bytes of the snapshot so far. */
  readonly receivedBytes: number;
  /** Files and symlinks so far. */
  readonly files: number;
}

/** How far `restoreSnapshot` is. */
export interface RestoreProgress extends ExtractProgress {
  /** Bytes of the whole snapshot; `undefined` while the server still builds it. */
  readonly totalBytes: number | undefined;
}

/** The result of `extractSnapshot`. */
export interface ExtractResult {
  /** Bytes of the snapshot. */
  readonly receivedBytes: number;
  /** Files and symlinks. */
  readonly files: number;
  /** Whether the snapshot carried a SHA-256, which then was right. Other servers send none. */
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

/** The result of `restoreSnapshot`. */
export interface RestoreResult extends ExtractResult {
  /** The commit that is checked out; `undefined` if the server does not name it. */
  readonly commit: string | undefined;
}
