import type { Request, Response } from 'express';
import type { RepositoryId } from '../repository/identity.js';

/** One admitted request for an artifact of a repository. */
export interface Exchange {
  readonly req: Request;
  readonly res: Response;
  readonly repository: RepositoryId;
  /** Aborts when the client goes before it was answered in full. */
  readonly signal: AbortSignal;
}

/** Serves one artifact. What it rejects with is answered as a problem, or breaks a begun answer. */
export interface ArtifactHandler {
  readonly methods: readonly string[];
  /** The status of `UPSTREAM_*` failures. Default: as for their code. */
  readonly upstreamFailureStatus?: number;
  serve(exchange: Exchange): Promise<void>;
}
