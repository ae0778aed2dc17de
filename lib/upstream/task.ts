import type { Limits } from '../config/options.js';
import type { RepositoryId } from '../repository.js';
import type { AllowedHosts } from './connector.js';

/** The common part of tasks that ask an upstream; structured-cloneable. */
export interface UpstreamTask {
  readonly repository: RepositoryId;
  readonly upstreamUrl: string;
  readonly hosts: AllowedHosts;
  readonly redirectBases: readonly string[];
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  readonly userAgent: string;
  readonly limits: Limits;
}
