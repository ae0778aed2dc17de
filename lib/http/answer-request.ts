import type { Request, Response } from 'express';
import { unlessAborted } from '../async/abort.js';
import { callHost } from '../call-host.js';
import { canonicalRepository, hostConfig } from '../config/hosts.js';
import type { Logger } from '../config/logger.js';
import type { SnapshotConfig } from '../config/options.js';
import { isUpstreamFailure, SnapshotError, toSnapshotError } from '../errors.js';
import { failureFields } from '../events/log-failures.js';
import { decodeRepository, type RepositoryId } from '../repository.js';
import { Connections, type Turn } from './connections.js';
import { problemStatus, sendProblem, sendProblemOrBreak } from './problem.js';

/** One authorized request for an artifact of a repository. */
export interface Exchange {
  readonly req: Request;
  readonly res: Response;
  readonly repository: RepositoryId;
  /** Aborts when the client leaves before its answer is complete. */
  readonly signal: AbortSignal;
}

/** Serves one artifact. If `serve` rejects, the client gets a problem, or its answer breaks off. */
export interface EndpointHandler {
  readonly methods: readonly string[];
  /** The status for `UPSTREAM_*` failures. Default: the status of their code. */
  readonly upstreamFailureStatus?: number;
  serve(exchange: Exchange): Promise<void>;
}

/**
 * Makes the function that answers requests for artifacts. It checks the address, the method, then
 * the client's right to see the repository; then the handler answers. It never rejects: a rejection
 * would end the host app's process.
 */
export function createAnswer(config: SnapshotConfig) {
  const connections = new Connections();

  return async function answer(
    req: Request,
    res: Response,
    rawRepository: string,
    { methods, upstreamFailureStatus, serve }: EndpointHandler,
  ): Promise<void> {
    let turn: Turn | undefined;
    let repository: RepositoryId | undefined;
    try {
      turn = connections.enter(req, res);
      const { signal } = turn;
      await unlessAborted(turn.ready, signal);
      repository = canonicalRepository(config, decodeRepository(rawRepository));
      if (!methods.includes(req.method)) {
        const error = new SnapshotError('METHOD_NOT_ALLOWED', 'no method of this artifact');
        sendProblem(res, error, { Allow: methods.join(', ') });
        return;
      }
      await authorize(config, req, repository);
      signal.throwIfAborted();
      await serve({ req, res, repository, signal });
    } catch (error) {
      if (turn?.signal.aborted) return; // the client is gone
      const failure = toSnapshotError(error);
      const status = isUpstreamFailure(failure) ? upstreamFailureStatus : undefined;
      sendProblemOrBreak(res, failure, status);
      // A client that pipelines too many requests must not fill the log.
      if (turn === undefined) return;
      callHost('a logger', () => logFailure(config.logger, failure, repository));
    }
  };
}

function logFailure(
  logger: Logger | undefined,
  error: SnapshotError,
  repository: RepositoryId | undefined,
): void {
  const status = problemStatus(error.code);
  if (status < 500) return;
  const fields = failureFields(error, repository);
  // The upstream or the load causes a 503. All other failures need the operator.
  if (status === 503) logger?.warn(fields, 'snapshot unavailable');
  else logger?.error(fields, 'snapshot request failed');
}

/**
 * Checks the allow-list, and that `authorize` returns exactly `true`. Clients can't tell them
 * apart.
 *
 * @throws SnapshotError `FORBIDDEN`; `INVALID_REPOSITORY` as `hostConfig`; `INTERNAL`: `authorize`
 * failed.
 */
async function authorize(
  config: SnapshotConfig,
  req: Request,
  repository: RepositoryId,
): Promise<void> {
  hostConfig(config, repository);
  if (config.authorize === undefined) return;
  let allowed: unknown;
  try {
    allowed = await config.authorize(req, repository);
  } catch (cause) {
    throw new SnapshotError('INTERNAL', 'authorize failed', { cause });
  }
  if (allowed !== true) throw new SnapshotError('FORBIDDEN', 'authorize refused');
}
