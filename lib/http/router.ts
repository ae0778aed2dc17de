import { type Request, Router } from 'express';
import type { ArtifactSource } from '../artifact/artifact.js';
import type { SnapshotConfig } from '../config/options.js';
import { type Artifact, splitAddress } from '../repository.js';
import { answer } from './answer.js';
import { createSnapshotHandler } from './artifact-kinds.js';
import { createBundleHandler } from './bundle-handler.js';
import { Connections } from './connections.js';
import { createEnsureRefsHandler } from './ensure-refs-handler.js';
import type { ArtifactHandler } from './exchange.js';
import { createGitRedirectHandler } from './git-redirect-handler.js';
import { rawPath, rawQuery } from './target.js';

export interface RouterParts {
  readonly source: ArtifactSource;
  readonly config: Pick<
    SnapshotConfig,
    'hosts' | 'authorize' | 'limits' | 'logger' | 'redirectGit'
  >;
}

/**
 * An Express router that answers requests for artifacts and passes all other requests to `next()`. `OPTIONS`
 * is a method like any other: CORS middleware of the host app goes before this router.
 */
export function createRouter({ source, config }: RouterParts): Router {
  const handlers: Record<Artifact, ArtifactHandler> = {
    'snapshot.tar.zst': createSnapshotHandler(source, config),
    'snapshot.bundle': createBundleHandler(source, config),
    'ensure-refs': createEnsureRefsHandler(source),
    'info/refs': createGitRedirectHandler(config),
  };
  const parts = { config, connections: new Connections() };
  const router = Router();
  router.use((req, res, next) => {
    const address = splitAddress(rawPath(req));
    const isOurs = address?.artifact !== 'info/refs' || isRedirected(req);
    if (address === undefined || !isOurs) next();
    else void answer(req, res, address.repository, handlers[address.artifact], parts);
  });
  return router;

  function isRedirected(req: Request): boolean {
    return config.redirectGit && rawQuery(req).get('service') === 'git-upload-pack';
  }
}
