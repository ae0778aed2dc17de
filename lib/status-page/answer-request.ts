import type { Request, RequestHandler, Response } from 'express';
import { logTo } from '../config/logger.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { failureFields } from '../events/log-failures.js';
import { sendProblem, sendProblemOrBreak } from '../http/problem.js';
import { identifyRequest } from '../http/request-id.js';
import { queryParameters, rawPath } from '../http/target.js';
import { checkRepository } from '../repository.js';
import { type Actions, allowedActions } from './actions.js';
import { type Assets, isAsset } from './assets.js';
import type { LiveUpdates } from './live-updates.js';
import { ACTIONS, type RepositoryPage, type Start, type StatusPageAction } from './messages.js';
import type { OverviewSource } from './overview.js';
import { SELECTION_PARAMETERS, selectionOf } from './query.js';
import type { RepositoryTable } from './repository-table.js';
import { requireSameOrigin } from './same-origin.js';
import type { ShownService, StatusPageConfig } from './schema.js';
import { setSecurityHeaders } from './security-headers.js';
import { selectRows } from './select-rows.js';

export interface AnswerParts {
  readonly service: ShownService;
  readonly config: StatusPageConfig;
  readonly assets: Assets;
  readonly table: RepositoryTable;
  readonly overview: OverviewSource;
  readonly live: LiveUpdates;
  readonly actions: Actions;
  /** Aborts when the page was closed. */
  readonly signal: AbortSignal;
}

type Route = (req: Request, res: Response) => void | Promise<void>;

const READS = ['GET', 'HEAD'];

/** Makes the handler of the page's router. It passes requests for other paths to `next()`. */
export function createAnswer(parts: AnswerParts): RequestHandler {
  const { config, assets, signal } = parts;
  const log = logTo(config.logger);
  const routes: Record<string, { methods: readonly string[]; route: Route }> = {
    'api/start': { methods: READS, route: createStartRoute(parts) },
    'api/repositories': { methods: READS, route: createRepositoriesRoute(parts) },
    'api/events': { methods: ['GET'], route: (_req, res) => parts.live.open(res) },
  };
  for (const action of ACTIONS) {
    routes[`api/${action}`] = { methods: ['POST'], route: createActionRoute(parts, action) };
  }

  const find = (path: string) => {
    if (Object.hasOwn(routes, path)) return routes[path];
    const asset = path === '' ? 'page.html' : path;
    if (!isAsset(asset)) return undefined;
    const route: Route = (req, res) => assets.send(req, res, asset);
    return { methods: READS, route };
  };

  // Never rejects: Express 4 ignores the promise of a handler.
  return async (req, res, next) => {
    const path = rawPath(req).replace(/^\//, '');
    const found = find(path);
    if (found === undefined) return next();
    try {
      setSecurityHeaders(res);
      signal.throwIfAborted();
      if (!found.methods.includes(req.method)) {
        const error = new SnapshotError('METHOD_NOT_ALLOWED', 'no method of the status page');
        return sendProblem(res, error, { Allow: found.methods.join(', ') });
      }
      if (path === '' && redirectToSlash(req, res)) return;
      await found.route(req, res);
    } catch (error) {
      const failure = toSnapshotError(error);
      // A 503 is no failure: too many pages have live updates, or the page was closed.
      if (failure.httpStatus >= 500 && failure.httpStatus !== 503) {
        const requestId = identifyRequest(req, res);
        log.error('status page failed', { ...failureFields(failure), requestId });
      }
      sendProblemOrBreak(res, failure);
    }
  };
}

/**
 * The page's links are relative to `{mount}/`. Without the slash, redirects to the last segment of
 * the path and a slash: a proxy may have removed segments before it.
 */
function redirectToSlash({ originalUrl }: Request, res: Response): boolean {
  const [path = '', query] = originalUrl.split('?', 2);
  if (path === '' || path.endsWith('/')) return false;
  const segment = path.slice(path.lastIndexOf('/') + 1);
  const location = `./${segment}/${query === undefined ? '' : `?${query}`}`;
  res.writeHead(307, { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 });
  res.end();
  return true;
}

function createStartRoute({ config, overview, live }: AnswerParts): Route {
  return async (req, res) => {
    queryParameters(req, []);
    const { snapshotsUrl } = config;
    const actions = await allowedActions(config, req);
    live.visit();
    const start: Start = { overview: overview.read(), actions, snapshotsUrl };
    sendJson(req, res, 200, start);
  };
}

function createRepositoriesRoute({ table, live }: AnswerParts): Route {
  return async (req, res) => {
    const selection = selectionOf(queryParameters(req, SELECTION_PARAMETERS));
    live.visit();
    await table.settledSoon();
    const { listedAt, failure } = table;
    const page: RepositoryPage = {
      ...selectRows(await table.rows(), selection),
      listedAt,
      failure,
    };
    sendJson(req, res, 200, page);
  };
}

function createActionRoute(
  { service, config, actions }: AnswerParts,
  action: StatusPageAction,
): Route {
  return async (req, res) => {
    requireSameOrigin(req);
    const name = queryParameters(req, ['repository']).get('repository') ?? '';
    const allowed = await allowedActions(config, req);
    if (!allowed.includes(action)) {
      const clientDetail = 'this action is not allowed';
      throw new SnapshotError('FORBIDDEN', clientDetail, { clientDetail });
    }
    const repository = service.resolve(checkRepository(name));
    actions.begin(action, repository);
    sendJson(req, res, 202, {});
  };
}

function sendJson(req: Request, res: Response, status: number, value: object): void {
  const body = JSON.stringify(value);
  res.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}
