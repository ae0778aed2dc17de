import { allowedRepository } from '../artifact/validate-id.js';
import type { ServiceConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { repositoryKey } from '../repository.js';

/** @throws SnapshotError `INVALID_OPTIONS` if the option `warm` names a repository that is not allowed. */
export function checkWarm(config: ServiceConfig): void {
  if (config.warm === undefined || config.warm === 'recent') return;
  for (const repository of config.warm) {
    try {
      allowedRepository(config, repository);
    } catch (cause) {
      const message = `warm: ${repositoryKey(repository)} is at no host of the option hosts`;
      throw new SnapshotError('INVALID_OPTIONS', `invalid options: ${message}`, { cause });
    }
  }
}
