/**
 * @needs nginx apache
 * @one-node-version
 */
import { mkdir, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { FileSystemStore } from '../../lib/index.js';
import { codeBlocks, readPage } from '../docs/markdown.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { BUILD_AT_ONCE, type HostApp } from '../support/host-app.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startApache, startNginx } from '../support/web-server.js';

/*
 * The web server in front of the app sends what the app has stored.
 */

const shared = cleanup(afterAll);

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Site {
  readonly app: HostApp;
  readonly directory: string;
  /** Of the snapshot, at the web server. */
  readonly url: string;
  readonly store: FileSystemStore;
}

async function get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, (answer) => {
      const { statusCode: status } = answer;
      const finish = (body: Buffer) => resolve({ status, headers: answer.headers, body });
      buffer(answer).then(finish, reject);
    })
      .on('error', reject)
      .end();
  });
}

/** A configuration of the page, with the addresses of this test. */
async function shown(language: string, app: string, directory: string): Promise<string> {
  const blocks = codeBlocks(await readPage('docs/proxies.md'), [language]);
  const [block] = blocks.filter((code) => code.includes('/srv/data/snapshots'));
  if (block === undefined) throw new Error(`the page has no such configuration of ${language}`);
  return block
    .replaceAll('/srv/data/snapshots', directory)
    .replaceAll('http://127.0.0.1:3000', app);
}

const SITES = {
  nginx: {
    offload: 'x-accel-redirect',
    ifRangeWithDate: 206,
    start: async (app: string, directory: string) => {
      const files = await shown('nginx', app, directory);
      return await startNginx(shared, `location /git/ { proxy_pass ${app}; } ${files}`);
    },
  },
  Apache: {
    offload: 'x-sendfile',
    // Apache takes a date for weak in its first minute (RFC 9110, section 8.8.2.2).
    ifRangeWithDate: 200,
    start: async (app: string, directory: string) =>
      await startApache(shared, directory, await shown('apache', app, directory)),
  },
} as const;

describe.each(Object.entries(SITES))('Behind %s', (_, { offload, start, ifRangeWithDate }) => {
  let repository: FreshRepository;
  let site: Site;
  let direct: Answer;

  beforeAll(async () => {
    repository = await freshRepository(shared);
    const directory = join(await shared.directory(), 'données 日本');
    await mkdir(directory);
    const store = new FileSystemStore({ directory });
    const freshness = { ...BUILD_AT_ONCE, maxAge: 0, checkInterval: 0, staleWhileRevalidate: 0 };
    const app = await repository.startApp({ store, offload, freshness });
    shared.defer(() => app.close());
    const { url } = await start(app.url, directory);
    site = { app, directory, store, url: app.snapshotUrl('org/repo').replace(app.url, url) };
    const bytes = await read(app.router.service, repository.snapshot);
    direct = { status: 200, headers: {}, body: bytes.bytes };
  });

  test('a stored snapshot is sent by the web server, with all of its headers', async () => {
    const answer = await get(site.url);
    const stored = await site.app.router.service.statStored(repository.snapshot);
    if (stored === undefined) throw new Error('nothing is stored');
    expect(answer.status).toBe(200);
    expect(answer.body.equals(direct.body)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/zstd',
      'content-length': String(direct.body.length),
      'content-disposition': 'attachment; filename="repo.tar.zst"',
      'cache-control': 'no-cache',
      'accept-ranges': 'bytes',
      'last-modified': new Date(stored.storedAt).toUTCString(),
      etag: stored.etag,
      'snapshot-commit': stored.commit,
      'x-cachew-snapshot-commit': stored.commit,
    });
    expect(answer.headers).not.toHaveProperty('x-sendfile');
    expect(answer.headers).not.toHaveProperty('x-accel-redirect');
  });

  test('ranges and preconditions have the answers that the app would give', async () => {
    const whole = await get(site.url);
    const { etag = '', 'last-modified': date = '' } = whole.headers;
    const size = whole.body.length;
    const later = new Date(Date.parse(date) + 60_000).toUTCString();
    const earlier = new Date(Date.parse(date) - 60_000).toUTCString();
    const range = { range: 'bytes=100-199' };
    const part = [206, whole.body.subarray(100, 200)] as const;
    const all = [200, whole.body] as const;
    const cases: [Record<string, string>, number, Buffer?][] = [
      [range, ...part],
      [{ range: `bytes=${size - 50}-` }, 206, whole.body.subarray(size - 50)],
      [{ range: 'bytes=-50' }, 206, whole.body.subarray(size - 50)],
      [{ range: `bytes=${size}-` }, 416],
      [{ range: 'bytes=0-1,5-6' }, ...all],
      [{ ...range, 'if-range': etag }, ...part],
      [{ ...range, 'if-range': '"other"' }, ...all],
      [{ ...range, 'if-range': date }, ...(ifRangeWithDate === 206 ? part : all)],
      [{ ...range, 'if-range': earlier }, ...all],
      [{ ...range, 'if-match': etag }, ...part],
      [{ ...range, 'if-match': '"other"' }, 412],
      [{ 'if-match': '*' }, ...all],
      [{ 'if-none-match': etag }, 304],
      [{ 'if-none-match': '"other"' }, ...all],
      [{ 'if-modified-since': date }, 304],
      [{ 'if-modified-since': later }, 304],
      [{ 'if-modified-since': earlier }, ...all],
      [{ 'if-unmodified-since': date }, ...all],
      [{ 'if-unmodified-since': earlier }, 412],
    ];
    for (const [headers, status, body] of cases) {
      const answer = await get(site.url, headers);
      expect([headers, answer.status]).toEqual([headers, status]);
      if (body === undefined) continue;
      expect([headers, answer.body.equals(body)]).toEqual([headers, true]);
      expect([headers, answer.headers.etag]).toEqual([headers, etag]);
      expect([headers, answer.headers['last-modified']]).toEqual([headers, date]);
      const from = whole.body.indexOf(body);
      const contentRange = `bytes ${from}-${from + body.length - 1}/${size}`;
      expect(answer.headers['content-range']).toBe(status === 206 ? contentRange : undefined);
    }
  });

  test('a client without the web server gets an answer that breaks off', async () => {
    await expect(get(site.app.snapshotUrl('org/repo'))).rejects.toThrow(/aborted/);
  });

  test('a snapshot that is not stored comes from the app, and HEAD has the same headers', async () => {
    await push(repository.bare);
    const built = await get(site.url);
    expect(built.headers['content-length']).toBeUndefined();
    const stored = await get(site.url);
    expect(stored.body.equals(built.body)).toBe(true);
    const head = await new Promise<Answer>((resolve, reject) => {
      request(site.url, { method: 'HEAD', agent: false }, (answer) => {
        answer.resume();
        const { statusCode: status, headers } = answer;
        resolve({ status, headers, body: Buffer.alloc(0) });
      })
        .on('error', reject)
        .end();
    });
    const compared = ({ headers }: Answer) => {
      const ofServers = ['date', 'connection', 'server', 'keep-alive', 'x-powered-by'];
      return Object.entries(headers)
        .filter(([name]) => !ofServers.includes(name))
        .sort();
    };
    expect([head.status, compared(head)]).toEqual([200, compared(stored)]);
  });

  test('a snapshot that is replaced or evicted before the web server opens it is never another one', async () => {
    const { store, app } = site;
    const { etag: old } = await read(app.router.service, repository.snapshot);
    const before = await get(site.url);
    const spied = jest.spyOn(store, 'getFile');
    const { getFile } = FileSystemStore.prototype;
    // The file is chosen; then the object is replaced.
    spied.mockImplementationOnce(async (key, options) => {
      const file = await getFile.call(store, key, options);
      await push(repository.bare);
      await app.router.service.refresh(repository.id);
      return file;
    });
    const replaced = await get(site.url);
    const now = await app.router.service.statStored(repository.snapshot);
    expect(now?.etag).not.toBe(old);
    expect([replaced.status, replaced.headers.etag]).toEqual([200, old]);
    expect(replaced.body.equals(before.body)).toBe(true);

    spied.mockImplementationOnce(async (key, options) => {
      const file = await getFile.call(store, key, options);
      await rm(join(site.directory, file?.path ?? ''));
      return file;
    });
    const evicted = await get(site.url);
    expect(evicted.status).toBe(404);
    expect(evicted.headers['content-type']).toMatch(/^text\/html/);
    spied.mockRestore();
    expect((await get(site.url)).status).toBe(200);
  });
});
