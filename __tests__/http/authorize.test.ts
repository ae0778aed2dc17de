import type { ErrorRequestHandler } from 'express';
import { type ArtifactId, defaultSnapshot } from '../../lib/artifact/id.js';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import type { Authorize, AuthorizeContext, Denial } from '../../lib/config/authorize.js';
import { createSnapshotRouter } from '../../lib/create-router.js';
import { parseRepository } from '../../lib/repository.js';
import { COMMIT, FakeService } from './fake-service.js';
import {
  begin,
  EXPRESS,
  type ExpressVersion,
  type Reply,
  send,
  serve,
  type TestServer,
} from './test-server.js';

const PATH = '/github.com/org/repo';
const SNAPSHOT = `${PATH}/snapshot.tar.zst`;
const BUNDLE = `${PATH}/snapshot.bundle?base=${COMMIT}`;
const GIT = `${PATH}/info/refs?service=git-upload-pack`;
const CHALLENGE = 'Basic realm="snapshots"';
const repository = parseRepository('github.com/org/repo');

let server: TestServer | undefined;
let source: FakeService;
afterEach(() => server?.close());

beforeEach(() => {
  source = new FakeService();
  const ids: ArtifactId[] = [
    defaultSnapshot(repository),
    { kind: 'bundle', repository, base: COMMIT },
  ];
  for (const id of ids) source.store(id, { bytes: Buffer.from('bytes'), etag: '"1"' });
});

/** @param authorize may be wrong, as in JavaScript. */
async function start(
  authorize: (...args: Parameters<Authorize>) => unknown,
  version: ExpressVersion = 'Express 5',
): Promise<TestServer> {
  server = await serve(source, { version, authorize: authorize as Authorize, redirectGit: true });
  return server;
}

const throwing = (thrown: unknown) => () => {
  throw thrown;
};

function answerOf({ status, headers: { date: _, ...headers }, body }: Reply) {
  return { status, headers, body: body.toString() };
}

describe.each(Object.keys(EXPRESS) as ExpressVersion[])('With %s, authorize', (version) => {
  test('is called with the request and the repository', async () => {
    const asked: unknown[] = [];
    const running = await start(async (req, id) => {
      asked.push(req.headers.authorization, id);
      return true;
    }, version);
    const reply = await send(running, SNAPSHOT, { headers: { authorization: 'Bearer x' } });
    expect(reply.status).toBe(200);
    expect(reply.headers['cache-control']).toBe('private, no-cache');
    expect(asked).toEqual(['Bearer x', repository]);
  });

  test('sees the path parameters of the mount, and of a route that rewrites its URL', async () => {
    const asked: unknown[] = [];
    const authorize: Authorize = ({ params }) => {
      asked.push({ ...params });
      return true;
    };
    const snapshots = createSnapshotRouter({ service: source, authorize });
    server = await serve(source, {
      version,
      before: (express) => {
        const router = express.Router();
        router.use('/tenants/:tenant/git', snapshots);
        router.get('/tenants/:tenant/repos/:name/checkout.tar.zst', (req, res, next) => {
          req.url = `/github.com/org/${req.params.name}/snapshot.tar.zst`;
          snapshots(req, res, next);
        });
        return [router];
      },
    });
    const root = { port: server.port, prefix: '' };
    const paths = [`/tenants/a/git${SNAPSHOT}`, '/tenants/b/repos/repo/checkout.tar.zst'];
    for (const path of paths) expect((await send(root, path)).body.toString()).toBe('bytes');
    expect(asked).toEqual([{ tenant: 'a' }, { tenant: 'b', name: 'repo' }]);
  });

  test('is called for allowed hosts only, and its refusal looks like that of another host', async () => {
    const asked: string[] = [];
    const running = await start((_req, id) => {
      asked.push(id.host);
      return false;
    }, version);
    const refused = await send(running, SNAPSHOT);
    const notAllowed = await send(running, '/gitlab.com/org/repo/snapshot.tar.zst');
    expect(refused.status).toBe(403);
    expect(answerOf(notAllowed)).toEqual(answerOf(refused));
    expect(asked).toEqual(['github.com']);
    expect(source.calls).toEqual([]);
  });

  test.each<[string, () => unknown, number]>([
    ['throws', throwing(new Error('the secret of the directory service')), 500],
    ['rejects', async () => throwing(new Error('the secret of the directory service'))(), 500],
    ['throws undefined', throwing(undefined), 500],
    ['throws an error with another status', throwing({ status: 503, message: 'secret' }), 500],
    ['returns an object that is no denial', () => ({ status: 200 }), 500],
    ['returns 401 without a challenge', () => ({ status: 401 }), 500],
    ['returns 401 with an empty challenge', () => ({ status: 401, challenge: '' }), 500],
    ['returns 401 with no challenges', () => ({ status: 401, challenge: [] }), 500],
    ['returns half a challenge', () => ({ status: 401, challenge: [CHALLENGE, 7] }), 500],
    ['returns two lines', () => ({ status: 401, challenge: 'Basic a=b\r\nSet-Cookie: c' }), 500],
    ['returns a truthy value other than true', () => 'yes', 403],
    ['returns nothing', () => undefined, 403],
    ['returns null', () => null, 403],
  ])('that %s refuses the request', async (_what, authorize, status) => {
    const running = await start(authorize, version);
    const reply = await send(running, SNAPSHOT);
    expect(reply.status).toBe(status);
    expect(reply.body.toString()).not.toContain('secret');
    expect(source.calls).toEqual([]);
    const lines = running.log.map(({ level, fields }) => [level, fields.code, fields.repository]);
    expect(lines).toEqual(status === 500 ? [['error', 'INTERNAL', 'github.com/org/repo']] : []);
  });
});

test('The log tells what `authorize` has thrown, with its causes, in the message itself', async () => {
  const refused = new Error('connect ECONNREFUSED 10.0.0.7:636');
  refused.cause = refused; // a circle ends
  const running = await start(throwing(new TypeError('fetch failed', { cause: refused })));
  expect((await send(running, SNAPSHOT)).status).toBe(500);
  const message = 'authorize failed: fetch failed: connect ECONNREFUSED 10.0.0.7:636';
  expect(running.log).toEqual([
    expect.objectContaining({
      fields: expect.objectContaining({ err: expect.objectContaining({ message }) }),
    }),
  ]);
});

test.each<[method: string, path: string, Omit<AuthorizeContext, 'signal'>]>([
  ['GET', SNAPSHOT, { artifact: 'snapshot' }],
  ['HEAD', `${SNAPSHOT}?depth=3`, { artifact: 'snapshot', depth: 3 }],
  ['GET', `${SNAPSHOT}?ref=a%2Fb&depth=1`, { artifact: 'snapshot', ref: 'a/b', depth: 1 }],
  ['GET', BUNDLE, { artifact: 'bundle', base: COMMIT }],
  ['POST', `${PATH}/ensure-refs`, { artifact: 'ensure-refs' }],
  ['GET', GIT, { artifact: 'git' }],
])('authorize gets the artifact that %s %s requests', async (method, path, wanted) => {
  const contexts: unknown[] = [];
  const running = await start((_req, _id, context) => {
    contexts.push(context);
    return false;
  });
  await send(running, path, { method });
  expect(contexts).toEqual([{ ...wanted, signal: expect.any(AbortSignal) }]);
});

test('authorize is not called for a query that is malformed', async () => {
  const running = await start(throwing(new Error('called')));
  for (const path of [`${SNAPSHOT}?filter=tree:0`, `${SNAPSHOT}?depth=0`, `${GIT}&x=1`]) {
    expect((await send(running, path)).status).toBe(400);
  }
  expect(running.log).toEqual([]);
});

test('The signal of authorize aborts when the client leaves, and the request ends', async () => {
  const [called, left] = [withResolvers<void>(), withResolvers<void>()];
  const running = await start((_req, _id, { signal }) => {
    signal.addEventListener('abort', () => left.resolve());
    called.resolve();
    return new Promise(() => {});
  });
  const leaving = new AbortController();
  const answer = begin(running, SNAPSHOT, { signal: leaving.signal });
  answer.catch(() => {});
  await called.promise;
  leaving.abort();
  await left.promise;
  await expect(answer).rejects.toThrow('aborted');
  expect([source.calls, running.log]).toEqual([[], []]);
});

const REQUESTS = [
  ['GET', SNAPSHOT],
  ['GET', `${PATH}-that-is-not-stored/snapshot.tar.zst`],
  ['GET', `${SNAPSHOT}?ref=main`],
  ['GET', BUNDLE],
  ['POST', `${PATH}/ensure-refs`],
  ['GET', GIT],
  ['HEAD', SNAPSHOT],
  ['HEAD', BUNDLE],
  ['HEAD', GIT],
] as const;

const TITLES = {
  401: [
    'unauthorized',
    'The credentials or the signature are missing or wrong.',
    'Send the credentials or the signature that are required.',
  ],
  403: [
    'forbidden',
    'This repository is not available here.',
    'Check the address, or ask the operator of this server for access.',
  ],
  404: ['not-found', 'There is nothing at this address.', 'Check the address.'],
} as const;

test.each<[string, Denial['status'], () => unknown, string?]>([
  ['returned 401', 401, () => ({ status: 401, challenge: CHALLENGE }), CHALLENGE],
  ['scheme alone', 401, async () => ({ status: 401, challenge: 'Negotiate' }), 'Negotiate'],
  [
    'list of challenges',
    401,
    () => ({ status: 401, challenge: [CHALLENGE, 'Bearer'] }),
    `${CHALLENGE}, Bearer`,
  ],
  ['thrown 401', 401, throwing({ status: 401, challenge: CHALLENGE }), CHALLENGE],
  [
    'error with 401 and headers',
    401,
    throwing(
      Object.assign(new Error('no token: secret'), {
        status: 401,
        headers: { 'Set-Cookie': 'secret', 'WWW-authenticate': CHALLENGE },
      }),
    ),
    CHALLENGE,
  ],
  ['returned 403', 403, () => ({ status: 403 })],
  ['thrown 403', 403, throwing(Object.assign(new Error('secret'), { status: 403 }))],
  ['returned 404', 404, () => ({ status: 404 })],
  ['rejection with 404', 404, async () => throwing({ status: 404, message: 'secret' })()],
])('A %s has the same answer for every artifact', async (_what, status, authorize, challenge) => {
  const running = await start(authorize);
  const [type, title, detail] = TITLES[status];
  for (const [method, path] of REQUESTS) {
    const { status: actual, headers, body } = answerOf(await send(running, path, { method }));
    const code = type.toUpperCase().replace('-', '_');
    const problem = `{"type":"urn:problem-type:express-git-snapshot:${type}","title":"${title}","status":${status},"detail":"${detail}","code":"${code}"}`;
    expect([method, path, actual]).toEqual([method, path, status]);
    expect(body).toBe(method === 'HEAD' ? '' : problem);
    expect(headers).toEqual({
      'x-powered-by': 'Express',
      connection: 'close',
      'content-type': 'application/problem+json',
      'content-length': String(problem.length),
      'cache-control': 'no-store',
      ...(challenge !== undefined && { 'www-authenticate': challenge }),
    });
  }
  expect([source.calls, running.log]).toEqual([[], []]);
});

test.each(Object.keys(EXPRESS) as ExpressVersion[])(
  'With %s, a denial in a nested router is not changed by routes and error handlers of the host app',
  async (version) => {
    let handled = 0;
    const authorize: Authorize = () => ({ status: 401, challenge: CHALLENGE });
    const snapshots = createSnapshotRouter({ service: source, authorize, redirectGit: true });
    const plain = await start(authorize, version);
    const expected = new Map<string, unknown>();
    for (const [method, path] of REQUESTS) {
      expected.set(`${method} ${path}`, answerOf(await send(plain, path, { method })));
    }
    await plain.close();
    server = await serve(source, {
      version,
      before: (express) => {
        const inner = express.Router();
        inner.use('/git', snapshots);
        const onError: ErrorRequestHandler = (_error, _req, res, _next) => {
          handled++;
          res.status(200).send('an error page');
        };
        const outer = express.Router();
        outer.use('/api', inner, onError);
        outer.use((_req, res) => void res.status(200).send('a page for what is not found'));
        return [outer];
      },
    });
    for (const [method, path] of REQUESTS) {
      const at = { port: server.port, prefix: '/api/git' };
      const answer = answerOf(await send(at, path, { method }));
      expect(answer).toEqual(expected.get(`${method} ${path}`));
    }
    expect([handled, source.calls]).toEqual([0, []]);
  },
);

test.each<[string, string, string, number]>([
  ['a method that the artifact lacks', 'DELETE', '/snapshot.tar.zst', 405],
  ['OPTIONS', 'OPTIONS', '/snapshot.tar.zst', 405],
  ['OPTIONS of a bundle', 'OPTIONS', `/snapshot.bundle?base=${COMMIT}`, 405],
  ['GET of ensure-refs', 'GET', '/ensure-refs', 405],
  ['POST to git', 'POST', '/info/refs?service=git-upload-pack', 405],
  ['an unknown query', 'GET', '/snapshot.tar.zst?x=y', 400],
  ['an unknown query of HEAD', 'HEAD', '/snapshot.tar.zst?x=y', 400],
  ['a bundle with a malformed base', 'GET', '/snapshot.bundle?base=x', 400],
  ['a method that the artifact lacks, with an unknown query', 'PUT', '/snapshot.tar.zst?x=y', 405],
  ['a reserved name', 'GET', '/snapshot.zip', 404],
])(
  'The answer to %s comes before authorize, so it is the same for every repository',
  async (_, method, rest, status) => {
    let asked = 0;
    const running = await start(() => {
      asked++;
      return { status: 401, challenge: CHALLENGE };
    });
    const stored = answerOf(await send(running, `${PATH}${rest}`, { method }));
    const missing = answerOf(await send(running, `/github.com/no/such${rest}`, { method }));
    expect(stored.status).toBe(status);
    expect(missing).toEqual(stored);
    const elsewhere = await send(running, `/gitlab.com/org/repo${rest}`, { method });
    expect(elsewhere.status).toBe(rest === '/snapshot.zip' ? 404 : 403);
    expect([asked, source.calls]).toEqual([0, []]);
  },
);
