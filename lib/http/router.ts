import { type Request, Router } from 'express';
import type { RouterConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import type { RouterEvents } from '../events/router-events.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import { createAnswer, type EndpointHandler, type Exchange } from './answer-request.js';
import { createBundleHandler, createSnapshotHandler } from './artifact-kinds.js';
import { createEnsureRefsHandler } from './ensure-refs-handler.js';
import { sendProblemOrBreak } from './problem.js';
import { type Endpoint, queryParameters, rawPath, rawQuery, splitTarget } from './target.js';

/**
 * An Express router that answers requests for artifacts and passes all others to `next()`, except
 * for reserved names: a client of a later version must not get a page of the host app instead.
 * `OPTIONS` is a method like any other: CORS middleware of the host app goes before this router.
 */
export function createRouter(
  service: SnapshotService,
  config: RouterConfig,
  events: SnapshotEmitter<RouterEvents>,
): Router {
  const handlers: Record<Endpoint, EndpointHandler> = {
    'snapshot.tar.zst': createSnapshotHandler(service, config),
    'snapshot.bundle': createBundleHandler(service, config),
    'ensure-refs': createEnsureRefsHandler(service),
    'info/refs': createGitRedirectHandler(service),
  };
  const answer = createAnswer(service, config, events);
  // `authorize` may need the parameters of the mount, such as `/tenants/:tenant`.
  const router = Router({ mergeParams: true });
  router.use((req, res, next) => {
    const target = splitTarget(rawPath(req));
    if (target === undefined) return next();
    const { endpoint, repository } = target;
    if (endpoint === 'unknown') return sendProblemOrBreak(res, unknownArtifact());
    if (endpoint === 'info/refs' && !isRedirected(req)) return next();
    void answer(req, res, repository, handlers[endpoint]);
  });
  return router;

  function isRedirected(req: Request): boolean {
    return config.redirectGit && rawQuery(req).get('service') === 'git-upload-pack';
  }
}

/** The same for all repositories, so it needs no authorization. */
function unknownArtifact(): SnapshotError {
  const clientDetail = 'there is no artifact of this name';
  return new SnapshotError('NOT_FOUND', clientDetail, { clientDetail });
}

/**
 * `GET info/refs?service=git-upload-pack`, the first request of a clone or fetch: 307 to the
 * origin URL of the repository. git also sends its next requests there (`http.followRedirects` of
 * git-config(1)).
 */
function createGitRedirectHandler(service: SnapshotService): EndpointHandler {
  async function serve({ res, repository }: Exchange): Promise<void> {
    const location = `${service.originUrl(repository)}.git/info/refs?service=git-upload-pack`;
    res.writeHead(307, { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 });
    res.end();
  }

  return {
    methods: ['GET', 'HEAD'],
    parse: (req) => {
      queryParameters(req, ['service']);
      return { wanted: { artifact: 'git' }, serve };
    },
  };
}
