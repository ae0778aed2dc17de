import type { Request, Response } from 'express';
import { unlessAborted } from '../async/abort.js';
import { logTo } from '../config/logger.js';
import type { RouterConfig } from '../config/options.js';
import type { RequestedArtifact } from '../config/requested-artifact.js';
import { isUpstreamFailure, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import { failureFields, levelOf } from '../events/log-failures.js';
import type { RouterEvents } from '../events/router-events.js';
import { decodeRepository, type RepositoryId } from '../repository.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import { findDenial } from './authorization.js';
import { Connections, type Turn } from './connections.js';
import { isHeadSent, sendProblem, sendProblemOrBreak } from './problem.js';
import { identifyRequest } from './request-id.js';
import { RequestRecord } from './request-record.js';

/** One authorized request for an artifact of a repository. */
export interface Exchange {
  readonly req: Request;
  readonly res: Response;
  readonly repository: RepositoryId;
  /** Aborts when the client leaves, or other code ends the answer, before this one is complete. */
  readonly signal: AbortSignal;
  readonly record: RequestRecord;
}

/** A parsed request. If `serve` rejects, the client gets a problem, or its answer breaks off. */
export interface ParsedRequest {
  /** The artifact that the client requests, for `authorize`. */
  readonly wanted: RequestedArtifact;
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
export function createAnswer(
  service: SnapshotService,
  config: RouterConfig,
  events: SnapshotEmitter<RouterEvents>,
) {
  const connections = new Connections();
  const log = logTo(config.logger);

  return async function answer(
    req: Request,
    res: Response,
    rawRepository: string,
    handler: EndpointHandler,
  ): Promise<void> {
    const record = new RequestRecord();
    let turn: Turn | undefined;
    try {
      turn = connections.enter(req, res);
      const { signal } = turn;
      await unlessAborted(turn.ready, signal);
      const repository = service.resolve(decodeRepository(rawRepository));
      record.repository = repository;
      const { methods } = handler;
      if (!methods.includes(req.method)) {
        const error = new SnapshotError('METHOD_NOT_ALLOWED', 'no method of this artifact');
        record.error = error;
        sendProblem(res, error, { Allow: methods.join(', ') });
        return;
      }
      const { wanted, serve } = handler.parse(req, repository);
      record.requested = wanted;
      const { authorize } = config;
      const denial =
        authorize && (await findDenial(authorize, req, repository, { ...wanted, signal }));
      if (denial !== undefined) {
        record.error = denial.error;
        sendProblem(res, denial.error, denial.headers);
        return;
      }
      signal.throwIfAborted();
      await serve({ req, res, repository, signal, record });
    } catch (error) {
      record.isAborted = turn?.signal.aborted === true;
      if (record.isAborted) return; // the client is gone, or has another answer
      const failure = toSnapshotError(error);
      record.error = failure;
      const status = isUpstreamFailure(failure) ? handler.upstreamFailureStatus : undefined;
      const requestId = failure.httpStatus < 500 ? undefined : identifyRequest(req, res);
      sendProblemOrBreak(res, failure, status);
      // A client that pipelines too many requests must not fill the log.
      if (turn === undefined || requestId === undefined) return;
      const fields = { ...failureFields(failure, record.repository), requestId };
      const level = levelOf(failure);
      log[level](level === 'warn' ? 'snapshot unavailable' : 'snapshot request failed', fields);
    } finally {
      turn?.end();
      events.emit('requestEnded', record.end(isHeadSent(res) ? res.statusCode : undefined));
    }
  };
}
