import type { Request } from 'express';
import { SnapshotError } from '../errors.js';
import type { SnapshotConfig } from '../options.js';
import type { RepositoryId } from '../repository/identity.js';
import { hostConfig } from '../repository/policy.js';

/**
 * Lets a request for a repository pass: the allow-list must have its host, then `authorize` must say
 * exactly `true`. Both refusals look the same to the client.
 *
 * @throws SnapshotError `FORBIDDEN`; `INVALID_REPOSITORY` as `hostConfig`; `INTERNAL` when `authorize`
 *   fails, whose error is the cause.
 */
export async function admit(
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
