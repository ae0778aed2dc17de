import type { AllowedHosts } from '../config/hosts.js';
import type { Timeouts, WorkLimits } from '../config/options.js';
import type { RepositoryId } from '../repository.js';

/** The common part of tasks that ask an upstream. */
export interface UpstreamTask {
  readonly repository: RepositoryId;
  /** The repository, without trailing slash, credentials, query or fragment. */
  readonly upstreamUrl: string;
  readonly hosts: AllowedHosts;
  /** URLs with a slash at the end. A redirect must lead below one of them. */
  readonly redirectBases: readonly string[];
  /** The `Authorization` header; sent to the origin of `upstreamUrl` and nowhere else. */
  readonly authorization: string | undefined;
  readonly userAgent: string;
  readonly timeouts: Timeouts;
  readonly limits: WorkLimits;
}
