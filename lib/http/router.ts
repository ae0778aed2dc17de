import { type Request, Router } from 'express';
import type { RouterConfig } from '../config/options.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import { createAnswer, type EndpointHandler } from './answer-request.js';
import { createBundleHandler, createSnapshotHandler } from './artifact-kinds.js';
import { createEnsureRefsHandler } from './ensure-refs-handler.js';
import { type Endpoint, rawPath, rawQuery, splitTarget } from './target.js';

/**
 * An Express router that answers requests for artifacts and passes all others to `next()`.
 * `OPTIONS` is a method like any other: CORS middleware of the host app goes before this router.
 */
export function createRouter(service: SnapshotService, config: RouterConfig): Router {
  const handlers: Record<Endpoint, EndpointHandler> = {
    'snapshot.tar.zst': createSnapshotHandler(service, config),
    'snapshot.bundle': createBundleHandler(service, config),
    'ensure-refs': createEnsureRefsHandler(service),
    'info/refs': createGitRedirectHandler(service),
  };
  const answer = createAnswer(service, config);
  const router = Router();
  router.use((req, res, next) => {
    const target = splitTarget(rawPath(req));
    const isOurs = target?.endpoint !== 'info/refs' || isRedirected(req);
    if (target === undefined || !isOurs) next();
    else void answer(req, res, target.repository, handlers[target.endpoint]);
  });
  return router;

  function isRedirected(req: Request): boolean {
    return config.redirectGit && rawQuery(req).get('service') === 'git-upload-pack';
  }
}

/**
 * `GET info/refs?service=git-upload-pack`, the first request of a clone or fetch: 307 to the
 * origin URL of the repository. git also sends its next requests there (`http.followRedirects` of
 * git-config(1)).
 */
function createGitRedirectHandler(service: SnapshotService): EndpointHandler {
  return {
    methods: ['GET', 'HEAD'],
    async serve({ res, repository }) {
      const location = `${service.originUrl(repository)}.git/info/refs?service=git-upload-pack`;
      res.writeHead(307, { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 });
      res.end();
    },
  };
}
