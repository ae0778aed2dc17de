import { parseServiceOptions, type ServiceOptions } from '../config/options.js';
import { ArtifactService } from './service.js';
import type { SnapshotService } from './snapshot-service.js';

/**
 * Makes the service without a router, for host apps that have their own endpoints, or no HTTP.
 *
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function createSnapshotService(options: ServiceOptions): SnapshotService {
  return new ArtifactService(parseServiceOptions(options));
}
