import type { Agent } from 'node:http';

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
   * The target: an empty directory that is not a mount point, or a path that does not exist; its
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
   * @default none: each request has a connection of its own, straight to the server
   */
  readonly agent?: Agent | ((url: URL) => Agent | undefined) | undefined;
}

export interface ExtractProgress {
  /** Bytes of the snapshot so far. */
  readonly receivedBytes: number;
  /** Files and symlinks so far. */
  readonly files: number;
}

export interface RestoreProgress extends ExtractProgress {
  /** Bytes of the whole snapshot; `undefined` while the server still builds it. */
  readonly totalBytes: number | undefined;
}

export interface ExtractResult {
  /** Bytes of the snapshot. */
  readonly receivedBytes: number;
  /** Files and symlinks. */
  readonly files: number;
  /** Whether the snapshot carried a SHA-256, which then was right. Other servers send none. */
  readonly verified: boolean;
}

export interface RestoreResult extends ExtractResult {
  /** The commit that is checked out; `undefined` if the server does not name it. */
  readonly commit: string | undefined;
}
