import { Readable } from 'node:stream';
import { type ArtifactId, defaultSnapshot } from '../../lib/artifact/id.js';
import { parseRepository } from '../../lib/repository.js';
import { seededBytes } from '../support/random.js';
import { FakeService } from './fake-service.js';
import { send, serve, type TestServer } from './test-server.js';

const REPOSITORY = parseRepository('github.com/org/repo');
const BASE = 'b'.repeat(40);

// Between the decision what to send and its opening, another process replaces or evicts it.
describe.each<[string, ArtifactId]>([
  ['snapshot.tar.zst', defaultSnapshot(REPOSITORY)],
  [`snapshot.bundle?base=${BASE}`, { kind: 'bundle', repository: REPOSITORY, base: BASE }],
])('%s that is', (file, id) => {
  const PATH = `/github.com/org/repo/${file}`;
  let source: FakeService;
  let server: TestServer;
  let version: number;
  const replace = () => {
    version++;
    source.store(id, { bytes: seededBytes(version, 500 + version), etag: `"v${version}"` });
  };

  beforeEach(async () => {
    source = new FakeService();
    version = 0;
    replace();
    server = await serve(source);
  });

  afterEach(() => server.close());

  test('replaced once is answered with its new revision', async () => {
    source.beforeOpen = () => {
      if (version === 1) replace();
    };
    const reply = await send(server, PATH, { headers: { range: 'bytes=-2' } });
    expect([reply.status, reply.headers.etag]).toEqual([206, '"v2"']);
    expect(reply.headers['content-range']).toBe('bytes 500-501/502');
    expect(reply.body.equals(seededBytes(2, 502).subarray(-2))).toBe(true);
    expect(source.calls).toEqual([
      'statStored revalidate',
      'openStored',
      'statStored revalidate',
      'openStored',
    ]);
  });

  test('replaced once is answered with 412 to If-Match', async () => {
    source.beforeOpen = replace;
    const reply = await send(server, PATH, { headers: { range: 'bytes=0-1', 'if-match': '"v1"' } });
    expect(reply.status).toBe(412);
    expect(source.calls).toEqual([
      'statStored etags',
      'openStored',
      'statStored etags',
      'statStored revalidate',
    ]);
  });

  test('replaced again and again is sent whole', async () => {
    source.beforeOpen = replace;
    const reply = await send(server, PATH, { headers: { range: 'bytes=0-1' } });
    expect([reply.status, reply.headers.etag]).toEqual([200, `"v${version}"`]);
    expect(reply.body.equals(seededBytes(version, 500 + version))).toBe(true);
    expect(source.calls.at(-1)).toBe('get');
  });

  test.each<[Record<string, string>, number]>([
    [{ 'if-none-match': '"last"' }, 304],
    [{ 'if-unmodified-since': 'Fri, 01 Mar 2024 00:00:00 GMT' }, 412],
    [{ 'if-match': '"last", "v1", "v2", "v3"' }, 200],
  ])('replaced again and again answers %j from its last revision: %i', async (headers, status) => {
    source.beforeOpen = replace;
    const get = source.get.bind(source);
    source.get = (...args) => {
      const storedAt = Date.UTC(2024, 5, 1);
      source.store(id, { bytes: Buffer.alloc(9), etag: '"last"', storedAt });
      return get(...args);
    };
    const reply = await send(server, PATH, { headers });
    expect(reply.status).toBe(status);
    expect(source.calls.at(-1)).toBe('get');
    expect(source.bodies.map((body) => body.destroyed)).toEqual([true]);
  });

  test('evicted is built, unless If-Match names the evicted revision', async () => {
    source.beforeOpen = (repository) => source.drop(repository);
    source.build = () => ({ body: Readable.from([Buffer.from('new')]) });
    const failed = await send(server, PATH, {
      headers: { range: 'bytes=0-1', 'if-match': '"v1"' },
    });
    expect(failed.status).toBe(412);
    replace();
    const reply = await send(server, PATH, { headers: { range: 'bytes=0-1' } });
    expect([reply.status, reply.body.toString()]).toEqual([200, 'new']);
  });
});
