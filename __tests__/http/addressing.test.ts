import { Readable } from 'node:stream';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { parseRepository, repositoryKey } from '../../lib/repository.js';
import { COMMIT, FakeService } from './fake-service.js';
import {
  EXPRESS,
  type ExpressVersion,
  MOUNTS,
  type MountName,
  send,
  sendRaw,
  serve,
  type TestServer,
} from './test-server.js';

const CASES = Object.keys(EXPRESS).flatMap((version) =>
  Object.keys(MOUNTS).map((mount) => [version, mount] as [ExpressVersion, MountName]),
);

describe.each(CASES)('With %s, mounted %s,', (version, mount) => {
  let source: FakeService;
  let server: TestServer;

  beforeEach(async () => {
    source = new FakeService();
    for (const name of ['github.com/org/repo', 'github.com/g/s/r', '127.0.0.1:99/r']) {
      source.store(defaultSnapshot(parseRepository(name)), {
        bytes: Buffer.from(name),
        etag: '"1"',
      });
    }
    const hosts = ['github.com', '127.0.0.1:99'];
    server = await serve(source, { version, mount, hosts });
  });

  afterEach(() => server.close());

  test.each([
    ['/github.com/org/repo/snapshot.tar.zst', 'github.com/org/repo'],
    ['/github.com/org/repo.git/snapshot.tar.zst', 'github.com/org/repo'],
    ['/GITHUB.com/org/repo/snapshot.tar.zst?', 'github.com/org/repo'],
    ['/github.com/%6frg/r%65po/snapshot.tar.zst', 'github.com/org/repo'],
    ['/github.com/g/s/r/snapshot.tar.zst', 'github.com/g/s/r'],
    // Of a base URL that ends in a slash.
    ['/github.com/org/repo//snapshot.tar.zst', 'github.com/org/repo'],
    ['/github.com/Org/REPO.git/snapshot.tar.zst', 'github.com/org/repo'],
    ['/127.0.0.1:99/r/snapshot.tar.zst', '127.0.0.1:99/r'],
  ])('%s is served', async (path, name) => {
    const reply = await send(server, path);
    expect([reply.status, reply.body.toString()]).toEqual([200, name]);
  });

  test.each([
    '/',
    '/elsewhere',
    '/snapshot.tar.zst',
    '/github.com/snapshot.tar.zst',
    '/github.com/org/repo/snapshot.tar.zst/',
    '/github.com/snapshot.tar.gz',
    '/github.com/org/repo/snapshot',
    '/github.com/org/repo/snapshots.tar.gz',
    '/github.com/org/snapshot.js/blob',
    '/snapshot.bundle',
    '/github.com/ensure-refs',
    '/github.com/org/repo/snapshot.bundle/x',
    '/github.com/org/repo/ensure-refs/',
    '/github.com/org/repo/Ensure-Refs',
    '/github.com/org/repo/ensure%2drefs',
    '/github.com/org/repo/info/refs?service=git-upload-pack',
    '/github.com/org/repo/info/refs',
    '/%zz',
    '/x?y=/github.com/org/repo/snapshot.tar.zst',
  ])('%s goes to the host app', async (path) => {
    for (const method of ['GET', 'POST']) {
      expect((await send(server, path, { method })).status).toBe(418);
    }
    expect(source.calls).toEqual([]);
  });

  test.each([
    '/github.com/org/repo/snapshot.tar.gz',
    '/github.com/org/repo/snapshot.tar.zst.sha256?x=y',
    '/github.com/org/repo//snapshot.',
    '/elsewhere/org/../snapshot.zip',
  ])('%s is reserved, and looks alike for every repository', async (path) => {
    for (const method of ['GET', 'POST']) {
      const reply = await send(server, path, { method });
      expect([reply.status, reply.headers['content-type']]).toEqual([
        404,
        'application/problem+json',
      ]);
      expect(JSON.parse(reply.body.toString())).toEqual({
        type: 'urn:problem-type:express-git-snapshot:not-found',
        title: 'There is nothing at this address.',
        status: 404,
        detail: 'There is no artifact of this name. Check the address.',
        code: 'NOT_FOUND',
      });
    }
    expect(source.calls).toEqual([]);
  });

  test.each([
    '/github.com//repo',
    '//github.com/org/repo',
    '/github.com/org/repo//',
    '/github.com/./repo',
    '/github.com/../github.com/org/repo',
    '/github.com/org/%2e%2E/repo',
    '/github.com/org/x/%2e',
    '/github.com/org/re%2fpo',
    '/github.com/org/re%5Cpo',
    '/github.com/org/re\\po',
    '/github.com/org/re%00po',
    '/github.com/org/re%0d%0apo',
    '/github.com/org/re%ffpo',
    '/github.com/org/re%po',
    '/github.com/org/.git',
    '/github.com/org/...git',
    `/github.com/org/${'a'.repeat(256)}`,
    `/github.com${'/abcdefghijk'.repeat(86)}`,
    '/user:password@github.com/org/repo',
    '/user%40github.com/org/repo',
    '/10.0.0.1/org/repo',
    '/[::1]/org/repo',
    '/github.com:443/org/repo',
    '/127.0.0.1/r',
    '/__proto__/org/repo',
  ])('%s is refused as malformed', async (path) => {
    const reply = await send(server, `${path}/snapshot.tar.zst`);
    expect(reply.status).toBe(400);
    expect(reply.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(reply.body.toString())).toEqual({
      type: 'urn:problem-type:express-git-snapshot:invalid-repository',
      title: 'The repository address is malformed.',
      detail: 'Correct the host and the path in the URL.',
      status: 400,
      code: 'INVALID_REPOSITORY',
    });
    expect(source.calls).toEqual([]);
  });

  test.each(['gitlab.com', 'sub.github.com', 'constructor', 'localhost'])(
    'the host %s is forbidden',
    async (host) => {
      const reply = await send(server, `/${host}/org/repo/snapshot.tar.zst`);
      expect([reply.status, code(reply.body)]).toEqual([403, 'FORBIDDEN']);
      expect(source.calls).toEqual([]);
    },
  );

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
    'the method %s is refused',
    async (method) => {
      const reply = await send(server, '/github.com/org/repo/snapshot.tar.zst', { method });
      expect([reply.status, code(reply.body)]).toEqual([405, 'METHOD_NOT_ALLOWED']);
      expect(reply.headers.allow).toBe('GET, HEAD');
      expect(source.calls).toEqual([]);
    },
  );

  test.each(['snapshot.bundle?base=x', 'ensure-refs', 'snapshot.tar.zst?depth=0'])(
    'the address is checked before the query or body: %s',
    async (artifact) => {
      for (const [repository, status] of [
        ['github.com/org/..', 400],
        ['[::1]/org/repo', 400],
        ['gitlab.com/org/repo', 403],
        ['github.com/org/repo', 400],
      ] as const) {
        const method = artifact === 'ensure-refs' ? 'POST' : 'GET';
        const reply = await send(server, `/${repository}/${artifact}`, { method });
        expect([repository, reply.status]).toEqual([repository, status]);
      }
      expect(source.calls).toEqual([]);
    },
  );

  test.each([
    ['GET', 'snapshot.tar.zst?filter=tree:0', '"filter" is unknown'],
    ['HEAD', 'snapshot.tar.zst?ref=main&Depth=1', '"Depth" is unknown'],
    ['GET', 'snapshot.tar.zst?base=x', '"base" is unknown'],
    ['GET', 'snapshot.tar.zst?ref[]=main', '"ref[]" is unknown'],
    ['GET', 'snapshot.tar.zst?=x', '"" is unknown'],
    ['GET', 'snapshot.tar.zst?%22%0d%0a', '""\r\n" is unknown'],
    ['GET', `snapshot.tar.zst?${'%C3%A9'.repeat(200)}`, `"${'é'.repeat(100)}" is unknown`],
    ['GET', 'snapshot.tar.zst?ref=a&%72ef=b', '"ref" is given more than once'],
    ['GET', `snapshot.bundle?base=${COMMIT}&depth=1`, '"depth" is unknown'],
    ['GET', `snapshot.bundle?base=${COMMIT}&base=${COMMIT}`, '"base" is given more than once'],
    ['POST', 'ensure-refs?refs=main', '"refs" is unknown'],
  ])('a query parameter is refused by its name: %s %s', async (method, artifact, why) => {
    const reply = await send(server, `/github.com/org/repo/${artifact}`, { method });
    expect(reply.status).toBe(400);
    if (method !== 'HEAD') {
      expect(JSON.parse(reply.body.toString())).toEqual({
        type: 'urn:problem-type:express-git-snapshot:invalid-request',
        title: 'The request is malformed.',
        status: 400,
        detail: `The query parameter ${why}. Correct the request.`,
        code: 'INVALID_REQUEST',
      });
    }
    expect(source.calls).toEqual([]);
  });

  test('a path with a control character is refused', async () => {
    const path = `${server.prefix}/github.com/org/re\x01po/snapshot.tar.zst`;
    const reply = await sendRaw(server, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(reply).toMatch(/^HTTP\/1\.1 400 /);
    expect(source.calls).toEqual([]);
  });

  test('a request target in absolute form is understood', async () => {
    const path = `${server.prefix}/github.com/org/repo/snapshot.tar.zst`;
    const head = `GET http://cache.example:80${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    const reply = await sendRaw(server, head);
    expect(reply).toMatch(/^HTTP\/1\.1 200 /);
    expect(reply.endsWith('\r\n\r\ngithub.com/org/repo')).toBe(true);
  });

  test('a snapshot is sent while it is built', async () => {
    source.build = ({ repository }) => ({
      body: Readable.from([repositoryKey(repository), '!']),
    });
    const reply = await send(server, '/github.com/new/one.git/snapshot.tar.zst');
    expect([reply.status, reply.body.toString()]).toEqual([200, 'github.com/new/one!']);
    expect(reply.headers['x-cachew-snapshot-commit']).toBe(COMMIT);
  });
});

function code(body: Buffer): unknown {
  return JSON.parse(body.toString()).code;
}

describe('Letters of a path', () => {
  const paths = async (host: string, options: object) => {
    const seen: string[] = [];
    const authorize = (_req: unknown, { path }: { path: string }) => {
      seen.push(path);
      return false;
    };
    const server = await serve(new FakeService(), { hosts: { [host]: options }, authorize });
    try {
      for (const path of ['org/repo', 'Org/REPO.git', '%4frg/repo', 'org/repo.GIT']) {
        await send(server, `/${host}/${path}/snapshot.tar.zst`);
      }
    } finally {
      await server.close();
    }
    return seen;
  };

  test('are in lower case for authorize if the host ignores case', async () => {
    const lower = Array.from({ length: 4 }, () => 'org/repo');
    expect(await paths('github.com', {})).toEqual(lower);
    expect(await paths('git.example', { caseInsensitivePaths: true })).toEqual(lower);
  });

  test('keep their case if the host distinguishes it', async () => {
    const typed = ['org/repo', 'Org/REPO', 'Org/repo', 'org/repo.GIT'];
    expect(await paths('git.example', {})).toEqual(typed);
    expect(await paths('github.com', { caseInsensitivePaths: false })).toEqual(typed);
  });
});
