import type { Request, Response } from 'express';
import { isUpstreamFailure, SnapshotError, toSnapshotError } from '../errors.js';
import type { Logger, SnapshotConfig } from '../options.js';
import { decodeRepository, type RepositoryId, repositoryKey } from '../repository/identity.js';
import { admit } from './admission.js';
import { type ArtifactHandler, clientSignal } from './exchange.js';
import { problemStatus, sendProblem } from './problem.js';

/**
 * Answers one request for an artifact of a repository, given by its raw address: the address is
 * checked first, then the method, then whether the client may, and only then is the handler asked.
 * Never rejects: Express 4 does not look at what middleware returns.
 */
export async function answer(
  req: Request,
  res: Response,
  rawRepository: string,
  { methods, upstreamFailureStatus, serve }: ArtifactHandler,
  config: Pick<SnapshotConfig, 'hosts' | 'authorize' | 'logger'>,
): Promise<void> {
  const signal = clientSignal(res);
  let repository: RepositoryId | undefined;
  try {
    repository = decodeRepository(rawRepository);
    if (!methods.includes(req.method)) {
      const error = new SnapshotError('METHOD_NOT_ALLOWED', 'no method of this artifact');
      sendProblem(res, error, { Allow: methods.join(', ') });
      return;
    }
    await admit(config, req, repository);
    signal.throwIfAborted();
    await serve({ req, res, repository, signal });
  } catch (error) {
    if (signal.aborted) return; // nobody is left to be told
    const failure = toSnapshotError(error);
    const status = isUpstreamFailure(failure) ? upstreamFailureStatus : undefined;
    sendProblem(res, failure, {}, status);
    logFailure(config.logger, failure, repository);
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
  // A 503 is the upstream's or the load's doing; the rest needs somebody here.
  if (status === 503) logger.warn(fields, 'snapshot unavailable');
  else logger.error(fields, 'snapshot request failed');
}
