import type { Request } from 'express';
import type { RepositoryId } from '../repository.js';
import type { RequestedArtifact } from './requested-artifact.js';

/** The artifact that a client requests, for `authorize`. */
export interface AuthorizeContext extends RequestedArtifact {
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
