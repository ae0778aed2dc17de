import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import type express5 from 'express';
import type { RequestHandler } from 'express';
import type { WantedRefs } from '../../lib/artifact/artifact.js';
import type { SnapshotErrorCode } from '../../lib/error-codes.js';
import { SnapshotError } from '../../lib/errors.js';
import type { RepositoryId } from '../../lib/repository.js';
import { COMMIT, FakeService } from './fake-service.js';
import {
  EXPRESS,
  type ExpressVersion,
  MOUNTS,
  type MountName,
  type Reply,
  send,
  serve,
  type TestServer,
} from './test-server.js';

const OTHER = 'f'.repeat(40);
const PATH = '/github.com/org/repo/ensure-refs';
const JSON_TYPE = { 'content-type': 'application/json' };

/** Middleware that a host app may have before the router. */
const PARSERS: Record<string, (express: typeof express5) => RequestHandler[]> = {
  'no parser': () => [],
  'express.json()': (express) => [express.json({ strict: false })],
  'express.text()': (express) => [express.text({ type: '*/*' })],
  'express.raw()': (express) => [express.raw({ type: () => true })],
  'a parser of other types': (express) => [express.json({ type: 'application/other' })],
};

const CASES = Object.keys(EXPRESS).flatMap((version) =>
  Object.keys(PARSERS).map((parser) => [version, parser] as [ExpressVersion, string]),
);

let server: TestServer | undefined;
let asked: [RepositoryId, WantedRefs][];
let source: FakeService;

afterEach(() => server?.close());

async function start(options: Parameters<typeof serve>[1] = {}): Promise<TestServer> {
  source = new FakeService();
  asked = [];
  const ensure = source.ensure;
  source.ensure = (repository, wanted) => {
    asked.push([repository, wanted]);
    return ensure(repository, wanted);
  };
  server = await serve(source, options);
  return server;
}

const post = (to: TestServer, body: string, headers: Record<string, string> = JSON_TYPE) =>
  send(to, PATH, { method: 'POST', body, headers });

const json = (reply: Reply) => JSON.parse(reply.body.toString());

describe.each(CASES)('With %s and %s,', (version, parser) => {
  const before = PARSERS[parser] ?? (() => []);
  const begin = () => start({ version, before });

  test('the refs and commits of the body are passed to the service', async () => {
    const running = await begin();
    const body = { refs: { 'refs/heads/main': COMMIT, 'refs/tags/v1': '' }, commits: [OTHER] };
    const reply = await post(running, JSON.stringify(body));
    expect(reply.status).toBe(200);
    expect(reply.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
    });
    expect(json(reply)).toEqual({
      refs: { 'refs/heads/main': COMMIT, 'refs/tags/v1': COMMIT },
      fetched: false,
    });
    const refs = new Map(Object.entries(body.refs));
    const repository = { host: 'github.com', path: 'org/repo' };
    expect(asked).toEqual([[repository, { refs, commits: [OTHER] }]]);
    expect(source.signals).toHaveLength(1);
  });

  test.each<[string, string]>([
    ['nothing', ''],
    ['not JSON', '{'],
    ['JavaScript', "{'commits': []}"],
    ['a number', '1'],
    ['null', 'null'],
    ['a string', '"x"'],
    ['an array', '[]'],
    ['neither', '{}'],
    ['both empty', '{"refs":{},"commits":[]}'],
    ['both null', '{"refs":null,"commits":null}'],
    ['refs that are an array', '{"refs":["refs/heads/main"]}'],
    ['refs that are a string', '{"refs":"refs/heads/main"}'],
    ['an id that is a number', '{"refs":{"refs/heads/main":1}}'],
    ['an id that is null', '{"refs":{"refs/heads/main":null}}'],
    ['an id of three digits', `{"refs":{"refs/heads/main":"${COMMIT.slice(0, 3)}"}}`],
    ['an id of 41 digits', `{"refs":{"refs/heads/main":"${COMMIT}0"}}`],
    ['an id with a newline', `{"refs":{"refs/heads/main":"${COMMIT}\\n"}}`],
    ['a name that is too long', `{"refs":{"refs/heads/${'a'.repeat(5_000)}":""}}`],
    ['a commit of three digits', '{"commits":["abc"]}'],
    ['a commit that is a name', '{"commits":["main"]}'],
    ['commits that are an object', `{"commits":{"0":"${COMMIT}","length":1}}`],
    ['too many', JSON.stringify({ commits: Array(1_001).fill(COMMIT) })],
    ['too many together', JSON.stringify({ refs: names(501), commits: Array(500).fill(COMMIT) })],
  ])('a body is answered with 400: %s', async (_what, body) => {
    const reply = await post(await begin(), body);
    expect(reply.status).toBe(400);
    // Express's own parsers answer themselves.
    if (parser !== 'express.json()') expect(json(reply)).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(source.calls).toEqual([]);
  });

  test('a body with 1,000 entries with long names is accepted', async () => {
    const running = await begin();
    // express.json() takes 100 KiB unless it is told otherwise.
    const length = parser === 'no parser' ? 180 : 20;
    const body = { refs: names(900, length), commits: Array(100).fill(COMMIT) };
    const reply = await post(running, JSON.stringify(body));
    expect([reply.status, Object.keys(json(reply).refs).length]).toEqual([200, 900]);
  });

  test('names that no ref can have are passed on, and answered like all others', async () => {
    const running = await begin();
    const names = ['HEAD', 'main', '', 'refs/heads/a..b', 'refs/heads/\u0000', '__proto__', '../x'];
    const refs = `{${names.map((name) => `${JSON.stringify(name)}:""`).join(',')}}`;
    const reply = await post(running, `{"refs":${refs}}`);
    expect(reply.status).toBe(200);
    expect(Object.entries(json(reply).refs)).toEqual(names.map((name) => [name, COMMIT]));
    expect(asked.map(([, wanted]) => [...wanted.refs.keys()])).toEqual([names]);
    expect(Object.hasOwn(Object.prototype, 'HEAD')).toBe(false);
  });
});

describe.each(Object.keys(EXPRESS) as ExpressVersion[])('With %s,', (version) => {
  test.each(Object.keys(MOUNTS) as MountName[])(
    'the route exists when mounted %s',
    async (mount) => {
      const running = await start({ version, mount });
      expect((await post(running, `{"commits":["${COMMIT}"]}`)).status).toBe(200);
    },
  );

  test('the content type does not matter', async () => {
    const running = await start({ version });
    for (const headers of [{}, { 'content-type': 'text/plain' }]) {
      expect((await post(running, `{"commits":["${COMMIT}"]}`, headers)).status).toBe(200);
    }
  });

  test('the answer names missing commits, and leaves out empty parts', async () => {
    const running = await start({ version });
    source.ensure = () => ({ refs: new Map(), missingCommits: [OTHER], fetched: true });
    expect(json(await post(running, `{"commits":["${OTHER}"]}`))).toEqual({
      missing_commits: [OTHER],
      fetched: true,
    });
    source.ensure = () => ({ refs: new Map(), missingCommits: [], fetched: true });
    expect(json(await post(running, '{"refs":{"refs/heads/gone":""}}'))).toEqual({
      refs: { 'refs/heads/gone': '' },
      fetched: true,
    });
    expect(json(await post(running, `{"commits":["${OTHER}"]}`))).toEqual({ fetched: true });
  });

  test.each<[SnapshotErrorCode, number]>([
    ['UPSTREAM_NOT_FOUND', 502],
    ['UPSTREAM_DENIED', 502],
    ['UPSTREAM_UNREACHABLE', 502],
    ['UPSTREAM_RATE_LIMITED', 502],
    ['UPSTREAM_ADDRESS_FORBIDDEN', 502],
    ['UPSTREAM_TIMEOUT', 502],
    ['UPSTREAM_INVALID', 502],
    ['LIMIT_EXCEEDED', 503],
    ['OVERLOADED', 503],
    ['STORAGE_FULL', 507],
    ['INTERNAL', 500],
  ])('a service that fails with %s is answered with %i', async (code, status) => {
    const running = await start({ version });
    source.ensure = () => {
      throw new SnapshotError(code, 'https://user:token@10.0.0.5/');
    };
    const reply = await post(running, `{"commits":["${OTHER}"]}`);
    expect(reply.status).toBe(status);
    expect(json(reply)).toMatchObject({ code, status });
    expect(reply.headers['retry-after']).toBe(code === 'OVERLOADED' ? '30' : undefined);
    expect(reply.body.toString()).not.toContain('token');
    expect(running.log).toMatchObject([{ level: [502, 503].includes(status) ? 'warn' : 'error' }]);
  });

  test.each(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])(
    'the method %s is answered with 405',
    async (method) => {
      const running = await start({ version });
      const reply = await send(running, PATH, { method });
      expect([reply.status, reply.headers.allow]).toEqual([405, 'POST']);
      expect(source.calls).toEqual([]);
    },
  );

  test('a body of more than 256 KiB is answered with 400, announced or not, and the connection stays usable', async () => {
    const running = await start({ version });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const large = `${' '.repeat(256 * 1024)}{"commits":["${COMMIT}"]}`;
    const fitting = `{"commits":["${COMMIT}"]}`.padEnd(256 * 1024);
    const chunked = { 'transfer-encoding': 'chunked' };
    const requests: [string, Record<string, string>, number][] = [
      [large, {}, 400],
      [large, chunked, 400],
      [' '.repeat(4_000_000), chunked, 400],
      ['nonsense', {}, 400],
      [fitting, chunked, 200],
      [fitting, {}, 200],
    ];
    try {
      for (const [index, [body, headers, status]] of requests.entries()) {
        const reply = await send(running, PATH, { method: 'POST', body, headers, agent });
        expect([index, reply.status, reply.reused]).toEqual([index, status, index > 0]);
      }
    } finally {
      agent.destroy();
    }
  });

  test('a body that the host app read and discarded is reported as a misconfiguration', async () => {
    const drain: RequestHandler = (req, _res, next) => {
      req.resume().once('end', () => next());
    };
    const running = await start({ version, before: () => [drain] });
    const reply = await post(running, `{"commits":["${COMMIT}"]}`);
    expect([reply.status, json(reply).code]).toEqual([500, 'INVALID_OPTIONS']);
    expect(running.log).toMatchObject([{ level: 'error', fields: { code: 'INVALID_OPTIONS' } }]);
  });

  test('a client that may not see the repository is refused before its body is read', async () => {
    const running = await start({ version, authorize: () => false });
    expect((await post(running, '{')).status).toBe(403);
  });

  test('a client that hangs up within its body is not logged as a failure', async () => {
    let admitted = () => {};
    const reached = new Promise<void>((resolve) => {
      admitted = resolve;
    });
    const authorize = () => {
      admitted();
      return true;
    };
    const running = await start({ version, authorize });
    const socket = connect(running.port, '127.0.0.1');
    socket.write(
      `POST ${running.prefix}${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"com`,
    );
    await reached;
    socket.destroy();
    await once(socket, 'close');
    expect((await post(running, `{"commits":["${COMMIT}"]}`)).status).toBe(200);
    expect(running.log).toEqual([]);
    expect(source.calls).toEqual(['ensureRefs']);
  });
});

function names(count: number, length = 20): Record<string, string> {
  const entries = Array.from({ length: count }, (_, i) => [
    `refs/heads/${String(i).padStart(length, '0')}`,
    '',
  ]);
  return Object.fromEntries(entries);
}
