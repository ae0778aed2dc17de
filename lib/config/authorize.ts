import type { Request } from 'express';
import type { RepositoryId } from '../repository.js';

/** The artifact that a client requests. */
export interface AuthorizeContext {
  /** `git`: a request of git itself, which the router redirects (the option `redirectGit`). */
  readonly artifact: 'snapshot' | 'bundle' | 'ensure-refs' | 'git';
  /** Of a snapshot: a branch, tag or commit. `undefined`: HEAD. */
  readonly ref?: string | undefined;
  /** Of a snapshot: the number of commits of history. `undefined`: all. */
  readonly depth?: number | undefined;
  /** Of a bundle: the commit that the client has. */
  readonly base?: string | undefined;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/** The answer to a client that may not have the artifact. */
export type Denial =
  | {
      /** The client must log in, or its credentials are wrong. */
      readonly status: 401;
      /** Values of `WWW-Authenticate`, such as `Basic realm="snapshots"`: at least one. */
      readonly challenge: string | readonly string[];
    }
  | {
      /**
       * 403: this client may not read the repository. 404: as if there were no such
       * repository.
       */
      readonly status: 403 | 404;
    };

/**
 * Decides whether a client may have an artifact: `true`, or `false` for 403, or a denial. May throw
 * a denial, also as an `Error` with its properties.
 */
export type Authorize = (
  req: Request,
  repository: RepositoryId,
  context: AuthorizeContext,
) => boolean | Denial | Promise<boolean | Denial>;
