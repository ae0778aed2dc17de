import type { Request, Response } from 'express';
import { unlessAborted } from '../async/abort.js';
import { callHost } from '../call-host.js';
import type { AuthorizeContext } from '../config/authorize.js';
import type { Logger } from '../config/logger.js';
import type { RouterConfig } from '../config/options.js';
import { isUpstreamFailure, SnapshotError, toSnapshotError } from '../errors.js';
import { failureFields } from '../events/log-failures.js';
import { decodeRepository, type RepositoryId } from '../repository.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import { findDenial } from './authorization.js';
import { Connections, type Turn } from './connections.js';
import { sendProblem, sendProblemOrBreak } from './problem.js';

/** One authorized request for an artifact of a repository. */
export interface Exchange {
  readonly req: Request;
  readonly res: Response;
  readonly repository: RepositoryId;
  /** Aborts when the client leaves, or other code ends the answer, before this one is complete. */
  readonly signal: AbortSignal;
}

/** A parsed request. If `serve` rejects, the client gets a problem, or its answer breaks off. */
export interface ParsedRequest {
  /** The artifact that the client requests, for `authorize`. */
  readonly wanted: Omit<AuthorizeContext, 'signal'>;
  serve(exchange: Exchange): Promise<void>;
}

/** Serves one type of artifact. */
export interface EndpointHandler {
  readonly methods: readonly string[];
  /** The status for `UPSTREAM_*` failures. Default: the status of their code. */
  readonly upstreamFailureStatus?: number;
  /**
   * Reads the query.
   *
   * @throws SnapshotError `INVALID_REQUEST`
   */
  parse(req: Request, repository: RepositoryId): ParsedRequest;
}

/**
 * Makes the function that answers requests for artifacts. It checks the address, the allow-list,
 * the method, the query, then whether the client may have the artifact; then the handler answers.
 * It never rejects: a rejection would end the host app's process.
 */
export function createAnswer(service: SnapshotService, config: RouterConfig) {
  const connections = new Connections();

  return async function answer(
    req: Request,
    res: Response,
    rawRepository: string,
    handler: EndpointHandler,
  ): Promise<void> {
    let turn: Turn | undefined;
    let repository: RepositoryId | undefined;
    try {
      turn = connections.enter(req, res);
      const { signal } = turn;
      await unlessAborted(turn.ready, signal);
      repository = service.resolve(decodeRepository(rawRepository));
      const { methods } = handler;
      if (!methods.includes(req.method)) {
        const error = new SnapshotError('METHOD_NOT_ALLOWED', 'no method of this artifact');
        sendProblem(res, error, { Allow: methods.join(', ') });
        return;
      }
      const { wanted, serve } = handler.parse(req, repository);
      const { authorize } = config;
      const denial =
        authorize && (await findDenial(authorize, req, repository, { ...wanted, signal }));
      if (denial !== undefined) {
        sendProblem(res, denial.error, denial.headers);
        return;
      }
      signal.throwIfAborted();
      await serve({ req, res, repository, signal });
    } catch (error) {
      if (turn?.signal.aborted) return; // the client is gone, or has another answer
      const failure = toSnapshotError(error);
      const status = isUpstreamFailure(failure) ? handler.upstreamFailureStatus : undefined;
      sendProblemOrBreak(res, failure, status);
      // A client that pipelines too many requests must not fill the log.
      if (turn === undefined) return;
      callHost('a logger', () => logFailure(config.logger, failure, repository));
    } finally {
      turn?.end();
    }
  };
}

function logFailure(
  logger: Logger | undefined,
  error: SnapshotError,
  repository: RepositoryId | undefined,
): void {
  const status = error.httpStatus;
  if (status < 500) return;
  const fields = failureFields(error, repository);
  // The upstream or the load causes a 503. All other failures need the operator.
  if (status === 503) logger?.warn(fields, 'snapshot unavailable');
  else logger?.error(fields, 'snapshot request failed');
}
