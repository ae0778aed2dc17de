import type { Request, Response } from 'express';
import { unlessAborted } from '../async/abort.js';
import { canonicalRepository, hostConfig } from '../config/hosts.js';
import type { Logger, SnapshotConfig } from '../config/options.js';
import { isUpstreamFailure, SnapshotError, toSnapshotError } from '../errors.js';
import { callHost } from '../events/call-host.js';
import { decodeRepository, type RepositoryId, repositoryKey } from '../repository.js';
import type { Connections, Turn } from './connections.js';
import type { ArtifactHandler } from './exchange.js';
import { problemStatus, sendProblem, sendProblemOrBreak } from './problem.js';

export interface AnswerParts {
  readonly config: Pick<SnapshotConfig, 'hosts' | 'authorize' | 'logger'>;
  readonly connections: Connections;
}

/**
 * Answers one request for an artifact. Checks the address first, then the method, then the client's right
 * to see the repository; then the handler answers. Never rejects, whatever the host's own code does: a
 * rejection would end the host's process.
 */
export async function answer(
  req: Request,
  res: Response,
  rawRepository: string,
  handler: ArtifactHandler,
  { config, connections }: AnswerParts,
): Promise<void> {
  let turn: Turn | undefined;
  let repository: RepositoryId | undefined;
  try {
    turn = connections.enter(req, res);
    const { come, signal } = turn;
    await unlessAborted(come, signal);
    repository = canonicalRepository(config, decodeRepository(rawRepository));
    const { methods, serve } = handler;
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
    const status = isUpstreamFailure(failure) ? handler.upstreamFailureStatus : undefined;
    callHost('a response', () => sendProblemOrBreak(res, failure, status));
    // A client that pipelines too many requests must not fill the log.
    if (turn === undefined) return;
    callHost('a logger', () => logFailure(config.logger, failure, repository));
  }
}

function logFailure(
  logger: Logger | undefined,
  error: SnapshotError,
  repository: RepositoryId | undefined,
): void {
  const status = problemStatus(error.code);
  if (logger === undefined || status < 500) return;
  const name = repository && repositoryKey(repository);
  const fields = { code: error.code, repository: name, err: error };
  // The upstream or the load causes a 503. All other failures need the operator.
  if (status === 503) logger.warn(fields, 'snapshot unavailable');
  else logger.error(fields, 'snapshot request failed');
}

/**
 * Checks that the allow-list has the host and that `authorize` returns exactly `true`. The client can't
 * tell the two refusals apart.
 *
 * @throws SnapshotError `FORBIDDEN`; `INVALID_REPOSITORY` as `hostConfig`; `INTERNAL` when `authorize`
 *   fails, with its error as the cause.
 */
async function authorize(
  config: Pick<SnapshotConfig, 'hosts' | 'authorize'>,
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
