import type { ArtifactId } from '../../lib/artifact/id.js';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { parseRepository } from '../../lib/repository.js';
import { codeBlocks, readPage } from '../docs/markdown.js';
import { COMMIT, FakeService } from './fake-service.js';
import {
  EXPRESS,
  type ExpressVersion,
  MOUNTS,
  type MountName,
  send,
  serve,
  type TestServer,
} from './test-server.js';

const OTHER = 'f'.repeat(40);
/** As the page has it, on several lines. */
const [SHOWN = ''] = codeBlocks(await readPage('docs/http.md'), ['http']);
const LINK = SHOWN.replace(/\s+/g, ' ').replace('Link: ', '').trim();
const PATH = '/github.com/org/repo/snapshot.tar.zst';

describe.each(Object.keys(EXPRESS) as ExpressVersion[])('With %s,', (version) => {
  let source: FakeService;
  let server: TestServer;
  let asked: ArtifactId[];

  beforeEach(async () => {
    source = new FakeService();
    server = await serve(source, { version });
    asked = [];
    const get = source.get.bind(source);
    source.get = (id, options) => {
      asked.push(id);
      source.store(id, { bytes: Buffer.from('snapshot'), etag: '"1"' });
      return get(id, options);
    };
  });

  afterEach(() => server.close());

  test.each<[string, { ref?: string; depth?: number }]>([
    ['', {}],
    ['?', {}],
    ['?&', {}],
    ['?ref=main', { ref: 'main' }],
    ['?ref=feature/x', { ref: 'feature/x' }],
    ['?ref=feature%2Fx&depth=1', { ref: 'feature/x', depth: 1 }],
    ['?depth=2147483647', { depth: 2_147_483_647 }],
    ['?%72ef=v1.0', { ref: 'v1.0' }],
    ['?ref=%C3%A9', { ref: 'é' }],
    ['?ref=c%2B%2B', { ref: 'c++' }],
    ['?ref=%EF%BF%BD', { ref: '\ufffd' }],
    ['?ref=a=b', { ref: 'a=b' }],
    ['?ref=__proto__', { ref: '__proto__' }],
    [`?ref=${COMMIT}`, { ref: COMMIT }],
    [`?ref=${COMMIT.toUpperCase()}`, { ref: COMMIT }],
    [`?ref=${'a'.repeat(255)}`, { ref: 'a'.repeat(255) }],
  ])('the query %s selects %j', async (query, selection) => {
    const reply = await send(server, PATH + query);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-disposition']).toBe('attachment; filename="repo.tar.zst"');
    const repository = { host: 'github.com', path: 'org/repo' };
    expect(asked).toEqual([{ ...defaultSnapshot(repository), ...selection }]);
  });

  test.each([
    '?ref',
    '?ref=',
    '?ref=a&ref=a',
    '?ref=a&%72ef=b',
    '?ref=-x',
    '?ref=--upload-pack=x',
    '?ref=a..b',
    '?ref=../x',
    '?ref=/a',
    '?ref=a/',
    '?ref=a//b',
    '?ref=.a',
    '?ref=a.lock',
    '?ref=a.',
    '?ref=a%20b',
    '?ref=c++',
    '?ref=a~1',
    '?ref=a^{commit}',
    '?ref=a:b',
    '?ref=a*',
    '?ref=a%5Cb',
    '?ref=@{u}',
    '?ref=a%00b',
    '?ref=a%0d%0ab',
    '?ref=a%7fb',
    '?ref=a%ffb',
    '?ref=%ed%a0%80',
    '?ref=a%',
    '?ref=a%zz',
    `?ref=${'a'.repeat(256)}`,
    `?ref=${'%C3%A9'.repeat(128)}`,
    '?depth',
    '?depth=',
    '?depth=0',
    '?depth=01',
    '?depth=-1',
    '?depth=%2B1',
    '?depth=+1',
    '?depth=1.0',
    '?depth=1e3',
    '?depth=0x1',
    '?depth=%201',
    '?depth=2147483648',
    `?depth=${'9'.repeat(400)}`,
    '?depth=%D9%A1',
    '?depth=1&depth=1',
    '?ref=main&depth=x',
    '?ref[x]=y',
    '?depth[$gt]=1',
  ])('the query %s is refused as malformed', async (query) => {
    for (const method of ['GET', 'HEAD']) {
      const reply = await send(server, PATH + query, { method });
      expect(reply.status).toBe(400);
      if (method === 'GET') {
        expect(JSON.parse(reply.body.toString())).toMatchObject({ code: 'INVALID_REQUEST' });
      }
    }
    expect(source.calls).toEqual([]);
  });

  test('the query is read as it was sent, with any query parser of the host app', async () => {
    server.app.set('query parser', () => ({ ref: 'forged', depth: '7' }));
    expect((await send(server, `${PATH}?ref=main`)).status).toBe(200);
    server.app.set('query parser', false);
    expect((await send(server, `${PATH}?ref=main`)).status).toBe(200);
    expect(asked.map((id) => id.kind === 'snapshot' && id.ref)).toEqual(['main', 'main']);
  });

  test('each ref and depth gives a snapshot of its own', async () => {
    const repository = parseRepository('github.com/org/repo');
    source.store(
      { ...defaultSnapshot(repository), ref: 'a' },
      { bytes: Buffer.from('a'), etag: '"a"' },
    );
    const head = (query: string) => send(server, PATH + query, { method: 'HEAD' });
    expect((await head('?ref=a')).headers.etag).toBe('"a"');
    expect((await head('')).status).toBe(404);
    expect((await head('?ref=a&depth=1')).status).toBe(404);
  });

  describe('the address of a bundle', () => {
    const bundle = (path: string) => `/git/${path}/snapshot.bundle?base=${COMMIT}`;

    test.each<[string, object]>([
      ['GET', {}],
      ['HEAD', { method: 'HEAD' }],
      ['a range', { headers: { range: 'bytes=0-1' } }],
    ])('is sent with %s of a snapshot that is older than the mirror', async (_what, options) => {
      const repository = parseRepository('github.com/org/repo');
      source.store(defaultSnapshot(repository), { bytes: Buffer.from('snapshot'), etag: '"1"' });
      const addresses = async () => {
        const { headers } = await send(server, PATH, options);
        return [headers['x-cachew-bundle-url'], headers.link];
      };
      expect(await addresses()).toEqual([undefined, undefined]);
      source.head = COMMIT;
      expect(await addresses()).toEqual([undefined, undefined]);
      source.head = OTHER;
      expect(await addresses()).toEqual([bundle('github.com/org/repo'), LINK]);
    });

    test('is not sent with ref or depth, without commits, or with 304', async () => {
      source.head = OTHER;
      for (const [query, headers] of [
        ['?ref=main', {}],
        ['?depth=1', {}],
        ['', { 'if-none-match': '*' }],
      ] as const) {
        const id = parseRepository('github.com/org/repo');
        source.store(defaultSnapshot(id), { bytes: Buffer.from('x'), etag: '"1"' });
        const reply = await send(server, PATH + query, { headers });
        expect(reply.headers['x-cachew-bundle-url']).toBeUndefined();
        expect(reply.headers.link).toBeUndefined();
      }
      const empty = { bytes: Buffer.from('x'), etag: '"1"', commit: undefined };
      source.store(defaultSnapshot(parseRepository('github.com/org/empty')), empty);
      const headers = { range: 'bytes=0-' };
      const reply = await send(server, '/github.com/org/empty/snapshot.tar.zst', { headers });
      expect([reply.status, reply.headers['x-cachew-bundle-url']]).toEqual([206, undefined]);
    });
  });
});

test.each(Object.keys(MOUNTS) as MountName[])(
  'The addresses of a bundle lead to this app, mounted %s, for any host and path',
  async (mount) => {
    const source = new FakeService();
    source.head = OTHER;
    const hosts = ['github.com', '[::1]:8080', 'git.corp:99'];
    const server = await serve(source, { hosts, mount });
    try {
      for (const [name, url] of [
        ['git.corp:99/a/b', 'git.corp:99/a/b'],
        ['github.com/org/é %"?#', 'github.com/org/%C3%A9%20%25%22%3F%23'],
        ['[::1]:8080/g/s/r', '%5B::1%5D:8080/g/s/r'],
      ] as const) {
        const repository = parseRepository(name);
        source.store(defaultSnapshot(repository), { bytes: Buffer.from('x'), etag: '"1"' });
        source.store(
          { kind: 'bundle', repository, base: COMMIT },
          { bytes: Buffer.from(name), etag: '"2"' },
        );
        const path = `/${name.split('/').map(encodeURIComponent).join('/')}/snapshot.tar.zst`;
        const { headers } = await send(server, path);
        const bundleUrl = headers['x-cachew-bundle-url'];
        expect(bundleUrl).toBe(`/git/${url}/snapshot.bundle?base=${COMMIT}`);
        const [, target = ''] = /^<([^>]+)>/.exec(String(headers.link)) ?? [];
        const snapshotUrl = `http://127.0.0.1:${server.port}${server.prefix}${path}`;
        const { href } = new URL(target, snapshotUrl);
        const joined = String(bundleUrl).replace('/git', snapshotUrl.replace(path, ''));
        for (const address of [href, joined]) {
          const bundle = await fetch(address);
          expect([bundle.status, await bundle.text()]).toEqual([200, name]);
        }
      }
    } finally {
      await server.close();
    }
  },
);
