import type { Request, Response } from 'express';
import type { RepositoryId } from '../repository.js';

/** One authorized request for an artifact of a repository. */
export interface Exchange {
  readonly req: Request;
  readonly res: Response;
  readonly repository: RepositoryId;
  /** Aborts when the client leaves before its answer is complete. */
  readonly signal: AbortSignal;
}

/** Serves one artifact. If it rejects, the client gets a problem, or its answer breaks off. */
export interface ArtifactHandler {
  readonly methods: readonly string[];
  /** The status of `UPSTREAM_*` failures. Default: the status of their code. */
  readonly upstreamFailureStatus?: number;
  serve(exchange: Exchange): Promise<void>;
}
