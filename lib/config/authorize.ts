import type { Request } from 'express';
import type { RepositoryId } from '../repository.js';

/** What a client asks for. */
export interface AuthorizeContext {
  /** `git`: git itself, which the router redirects to the upstream (the option `redirectGit`). */
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

/** The answer to a client that may not have what it asks for. */
export type Denial =
  | {
      /** The client must prove who it is, or has failed to. */
      readonly status: 401;
      /** Values of `WWW-Authenticate`, such as `Basic realm="snapshots"`: at least one. */
      readonly challenge: string | readonly string[];
    }
  | {
      /** 403: this client may not read the repository. 404: hides that there is a rule. */
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
