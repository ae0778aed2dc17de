import type { ArtifactSource } from '../artifact/artifact.js';
import type { BundleId } from '../artifact/id.js';
import type { SnapshotConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { repositoryName } from '../repository.js';
import { createArtifactHandler } from './artifact-handler.js';
import type { ArtifactHandler, Exchange } from './exchange.js';
import { queryParameter, rawQuery } from './target.js';

/**
 * `GET` and `HEAD` of `snapshot.bundle?base={commit}`. 204 if the upstream's HEAD is the base: there is
 * nothing to fast-forward. Caches must not keep a 204, as it is only true at the moment of the check.
 */
export function createBundleHandler(
  source: ArtifactSource,
  config: Pick<SnapshotConfig, 'authorize' | 'limits'>,
): ArtifactHandler {
  return createArtifactHandler<BundleId>(source, config, {
    contentType: 'application/x-git-bundle',
    identify: ({ req, repository }) => ({
      kind: 'bundle',
      repository,
      base: parseBase(rawQuery(req)),
    }),
    filename: ({ repository }) => `${repositoryName(repository)}.bundle`,
    async answersInstead(id: BundleId, { res, signal }: Exchange): Promise<boolean> {
      if (!(await source.isUpToDate(id, { signal }))) return false;
      res.writeHead(204, { 'Cache-Control': 'no-store' }).end();
      return true;
    },
  });
}

/** @throws SnapshotError `INVALID_REQUEST` */
function parseBase(query: URLSearchParams): string {
  const base = queryParameter(query, 'base');
  if (base !== undefined && OID_PATTERN.test(base)) return base;
  throw new SnapshotError('INVALID_REQUEST', 'base is no commit of 40 lower-case hex digits');
}
