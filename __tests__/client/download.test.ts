import { once } from 'node:events';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { create } from 'tar';
import {
  DownloadError,
  type RestoreOptions,
  restoreSnapshot,
  SnapshotError,
} from '../../lib/client/index.js';
import { seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { serve } from './archive-server.js';
import { rawFrame, withDigest } from './archives.js';
import { onPosix } from './on-posix.js';

const { directory, defer } = cleanup(afterEach);
const shared = cleanup(afterAll);
let archive: Buffer;
/** Of the target; nothing is to be left in it. */
let parent: string;

beforeAll(async () => {
  const tree = await shared.directory();
  await mkdir(join(tree, 'sub'));
  await writeFile(join(tree, 'sub/large'), seededBytes('download', 3 * 1024 * 1024));
  archive = withDigest(rawFrame(await create({ cwd: tree }, ['.']).concat()));
});

beforeEach(async () => {
  parent = await directory();
});

function restore(url: string | URL, options: Partial<RestoreOptions> = {}) {
  return restoreSnapshot({
    url,
    directory: join(parent, 'new/target'),
    retryTimeout: 0,
    ...options,
  });
}

async function expectFailure(restoring: Promise<unknown>, error: object): Promise<void> {
  await expect(restoring).rejects.toMatchObject({ name: 'SnapshotError', ...error });
  expect(await readdir(parent)).toEqual([]);
}

describe('A failed answer', () => {
  const problem = { 'content-type': 'application/problem+json' };

  test('is reported with its status, the code of the server and the time of a retry', async () => {
    const url = await serve({ defer }, (_, res) => {
      res.writeHead(503, { ...problem, 'retry-after': '17' });
      res.end(JSON.stringify({ status: 503, code: 'UPSTREAM_DENIED' }));
    });
    await expectFailure(restore(url), {
      code: 'DOWNLOAD_FAILED',
      message: `${url} answered 503 (UPSTREAM_DENIED)`,
      status: 503,
      remoteCode: 'UPSTREAM_DENIED',
      retryAfter: 17,
    });
  });

  test.each<[number, object, string | undefined, boolean]>([
    [404, {}, undefined, false],
    [404, {}, 'REF_NOT_FOUND', false],
    [429, {}, undefined, true],
    [500, {}, undefined, false],
    [500, {}, 'INTERNAL', false],
    [500, {}, 'STORE_FAILED', true],
    [502, {}, undefined, true],
    [503, {}, undefined, true],
    [503, {}, 'UPSTREAM_NOT_FOUND', false],
    [503, {}, 'UPSTREAM_TIMEOUT', true],
    [503, {}, 'CODE_OF_A_LATER_VERSION', false],
    [503, { 'retry-after': '5' }, 'CODE_OF_A_LATER_VERSION', true],
    [504, {}, undefined, true],
    [507, {}, 'STORAGE_FULL', false],
  ])(
    'with status %i, headers %j and code %s is transient: %s',
    async (status, headers, code, isTransient) => {
      const url = await serve({ defer }, (_, res) => {
        res.writeHead(status, { ...problem, ...headers }).end(JSON.stringify({ code }));
      });
      await expectFailure(restore(url), { status, remoteCode: code, isTransient });
    },
  );

  test('is not transient if it redirects to no URL that is safe', async () => {
    const url = await serve({ defer }, (_, res) => {
      res.writeHead(302, { location: 'ftp://127.0.0.1/' }).end();
    });
    await expectFailure(restore(url), { status: 302, isTransient: false });
  });

  test('is a DownloadError, and a SnapshotError', async () => {
    const url = await serve({ defer }, (_, res) => res.writeHead(404).end());
    const error = await restore(url).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DownloadError);
    expect(error).toBeInstanceOf(SnapshotError);
    expect(DownloadError.is(error) && error.status).toBe(404);
    expect(SnapshotError.is(error, 'DOWNLOAD_FAILED')).toBe(true);
    expect(DownloadError.is(new SnapshotError('ARCHIVE_INVALID', ''))).toBe(false);
  });

  test('may give the time of a retry as a date', async () => {
    const at = Math.ceil(Date.now() / 1000) * 1000 + 86_400_000;
    const url = await serve({ defer }, (_, res) => {
      res.writeHead(503, { 'retry-after': new Date(at).toUTCString() }).end();
    });
    const before = Date.now();
    const error = await restore(url).catch((reason: unknown) => reason);
    expect(error).toHaveProperty('retryAfter', expect.any(Number));
    const { retryAfter } = error as { retryAfter: number };
    expect(retryAfter).toBeGreaterThanOrEqual(Math.floor((at - Date.now()) / 1000));
    expect(retryAfter).toBeLessThanOrEqual(Math.ceil((at - before) / 1000));
  });

  test.each<[string, (res: ServerResponse) => void]>([
    ['404 without a body', (res) => res.writeHead(404).end()],
    ['204', (res) => res.writeHead(204).end()],
    ['206', (res) => res.writeHead(206).end(archive)],
    ['500 whose problem is no JSON', (res) => res.writeHead(500, problem).end('{')],
    ['500 whose problem is no object', (res) => res.writeHead(500, problem).end('null')],
    ['500 with a strange code', (res) => res.writeHead(500, problem).end('{"code":"a b\\n"}')],
    [
      '503 whose problem breaks off',
      (res) => res.writeHead(503, problem).write('{"code":', () => res.destroy()),
    ],
    [
      '500 with an endless problem',
      (res) => res.writeHead(500, problem).end(`{"code":"X","pad":"${'x'.repeat(1 << 20)}"}`),
    ],
  ])('is reported when it is a %s', async (name, answer) => {
    const url = await serve({ defer }, (_, res) => answer(res));
    await expectFailure(restore(`${url}?token=secret`), {
      code: 'DOWNLOAD_FAILED',
      message: `${url} answered ${name.slice(0, 3)}`,
      status: Number(name.slice(0, 3)),
      remoteCode: undefined,
      retryAfter: undefined,
    });
  });
});

describe('The restore from a server', () => {
  test('that does not exist fails', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    const message = `http://127.0.0.1:${port}/x: ECONNREFUSED`;
    await expectFailure(restore(`http://127.0.0.1:${port}/x`), {
      code: 'DOWNLOAD_FAILED',
      message,
      status: undefined,
      remoteCode: undefined,
      isTransient: true,
    });
  });

  test.each([
    ['with a length', true],
    ['chunked', false],
  ])('that dies mid-way, %s, fails', async (_, withLength) => {
    const url = await serve({ defer }, (_req, res) => {
      if (withLength) res.setHeader('content-length', archive.length);
      res.write(archive.subarray(0, archive.length >> 1), () => res.destroy());
    });
    await expectFailure(restore(url), { code: 'DOWNLOAD_FAILED', status: 200, isTransient: true });
  });

  test('that ends its answer early fails', async () => {
    const url = await serveRaw(archive.length, archive.subarray(0, -100));
    await expectFailure(restore(url), { code: 'DOWNLOAD_FAILED' });
  });

  test('that ends a complete answer by closing the connection succeeds', async () => {
    const { verified } = await restore(await serveRaw(undefined, archive));
    expect(verified).toBe(true);
  });

  test('that ends an incomplete answer by closing the connection fails', async () => {
    const url = await serveRaw(undefined, archive.subarray(0, archive.length >> 1));
    await expectFailure(restore(url), { code: 'ARCHIVE_INVALID' });
  });

  /** HTTP/1.0 style: the connection ends with the body, after whatever length was promised. */
  async function serveRaw(contentLength: number | undefined, body: Buffer): Promise<string> {
    const server = createServer((socket) => {
      socket.once('data', () => {
        const length = contentLength === undefined ? '' : `content-length: ${contentLength}\r\n`;
        socket.write(`HTTP/1.1 200 OK\r\n${length}connection: close\r\n\r\n`);
        socket.end(body);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    defer(() => server.close());
    const { port } = server.address() as { port: number };
    return `http://127.0.0.1:${port}/snapshot.tar.zst`;
  }
});

describe('An abort', () => {
  /** Sends half of the archive and then nothing, and tells when the connection is gone. */
  async function serveHalf() {
    let closed: Promise<unknown> = Promise.resolve();
    const url = await serve({ defer }, (_, res) => {
      closed = once(res, 'close');
      res.write(archive.subarray(0, archive.length >> 1));
    });
    return { url, closed: () => closed };
  }

  async function expectReason(restoring: Promise<unknown>, reason: unknown): Promise<void> {
    await expect(restoring).rejects.toBe(reason);
    expect(await readdir(parent)).toEqual([]);
  }

  test('mid-way ends the connection and leaves no file', async () => {
    const { url, closed } = await serveHalf();
    const aborter = new AbortController();
    const reason = new Error('enough');
    const restoring = restore(url, {
      signal: aborter.signal,
      onProgress: ({ receivedBytes }) => {
        if (receivedBytes > 0) aborter.abort(reason);
      },
    });
    await expectReason(restoring, reason);
    await closed();
  });

  test('before the server answers ends the restore', async () => {
    const aborter = new AbortController();
    const url = await serve({ defer }, () => aborter.abort('no error object'));
    await expectReason(restore(url, { signal: aborter.signal }), 'no error object');
  });

  test('while the server sends its problem ends the restore', async () => {
    const aborter = new AbortController();
    const reason = new Error('enough');
    const url = await serve({ defer }, (_, res) => {
      res.writeHead(503, { 'content-type': 'application/problem+json' });
      res.write('{"code":', () => aborter.abort(reason));
    });
    await expectReason(restore(url, { signal: aborter.signal }), reason);
  });

  test('before the start sends no request', async () => {
    let requests = 0;
    const url = await serve({ defer }, () => requests++);
    const signal = AbortSignal.abort();
    await expectReason(restore(url, { signal }), signal.reason);
    expect(requests).toBe(0);
  });

  test('follows when onProgress throws', async () => {
    const { url, closed } = await serveHalf();
    const cause = new Error('from the caller');
    const onProgress = ({ receivedBytes }: { receivedBytes: number }) => {
      if (receivedBytes > 0) throw cause;
    };
    await expectFailure(restore(url, { onProgress }), { code: 'INTERNAL', cause });
    await closed();
  });
});

test('Of two restores into one directory, one succeeds, and the other leaves nothing behind', async () => {
  const waiting: (() => void)[] = [];
  const url = await serve({ defer }, (_, res) => {
    waiting.push(() => res.end(archive));
    // By then, both have found the directory empty.
    if (waiting.length === 2) for (const send of waiting) send();
  });
  const outcomes = await Promise.allSettled([restore(url), restore(url)]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
    reason: { code: 'TARGET_NOT_EMPTY' },
  });
  expect(await readdir(join(parent, 'new'))).toEqual(['target']);
  expect(await readdir(join(parent, 'new/target'))).toEqual(['sub']);
});

onPosix('The connection is closed when the parent directory cannot be made', async () => {
  let closed: Promise<unknown> | undefined;
  const url = await serve({ defer }, (_, res) => {
    closed = once(res, 'close');
    res.write(archive.subarray(0, archive.length >> 1));
  });
  await symlink('nowhere', join(parent, 'new'));
  await expect(restore(url)).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(await readdir(parent)).toEqual(['new']);
  await expect(closed).resolves.toBeDefined();
});

describe('Redirects', () => {
  const headers = { Authorization: 'Bearer secret', 'X-Token': 'secret' };

  test('are followed, with the headers on the same origin', async () => {
    const seen: IncomingMessage['headers'][] = [];
    const url = await serve({ defer }, (req, res) => {
      seen.push(req.headers);
      if (req.url?.endsWith('/moved')) res.end(archive);
      else res.writeHead(307, { location: '/moved' }).end();
    });
    await restore(url, { headers });
    expect(seen).toHaveLength(2);
    expect(seen[1]).toMatchObject({ authorization: 'Bearer secret', 'x-token': 'secret' });
  });

  test('take no headers to another origin', async () => {
    const seen: IncomingMessage['headers'][] = [];
    const other = await serve({ defer }, (req, res) => {
      seen.push(req.headers);
      res.end(archive);
    });
    const url = await serve({ defer }, (_, res) => res.writeHead(302, { location: other }).end());
    await restore(url, { headers });
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toHaveProperty('authorization');
    expect(seen[0]).not.toHaveProperty('x-token');
  });

  test('to another origin keep the commit that the first server names', async () => {
    const commits = ['1', '2'].map((digit) => digit.repeat(40));
    const answer = (commit = '') => ({ 'x-cachew-snapshot-commit': commit });
    const other = await serve({ defer }, (_, res) => {
      res.writeHead(200, answer(commits[1])).end(archive);
    });
    const url = await serve({ defer }, (_, res) => {
      res.writeHead(307, { location: other, ...answer(commits[0]) }).end();
    });
    expect((await restore(url)).commit).toBe(commits[0]);
  });

  test.each(['ftp://127.0.0.1/x', 'file:///etc/passwd', 'http://', undefined])(
    'to the location %s are refused',
    async (location) => {
      const url = await serve({ defer }, (_, res) => {
        res.writeHead(302, location === undefined ? {} : { location }).end();
      });
      await expectFailure(restore(url), { code: 'DOWNLOAD_FAILED', status: 302 });
    },
  );

  test('in a circle end with an error', async () => {
    let requests = 0;
    const url = await serve({ defer }, (_, res) => {
      requests++;
      res.writeHead(302, { location: '/again' }).end();
    });
    await expectFailure(restore(url), { code: 'DOWNLOAD_FAILED', status: 302 });
    expect(requests).toBe(6);
  });
});

test.each([
  ['Snapshot-Commit', { 'Snapshot-Commit': '1'.repeat(40) }, '1'.repeat(40)],
  ['X-Cachew-Snapshot-Commit', { 'X-Cachew-Snapshot-Commit': '2'.repeat(64) }, '2'.repeat(64)],
  ['no header', {}, undefined],
])('A restore returns the commit that the server names in %s', async (_, headers, commit) => {
  const url = await serve({ defer }, (_req, res) => res.writeHead(200, headers).end(archive));
  expect((await restore(url)).commit).toBe(commit);
});

test.each<[string, Partial<RestoreOptions>]>([
  ['no URL', { url: 'not a URL' }],
  ['another protocol', { url: 'file:///etc/passwd' }],
  ['credentials in the URL', { url: 'http://user:secret@127.0.0.1/' }],
  ['headers that HTTP does not allow', { headers: { 'a b': 'c' } }],
  ['an agent for another protocol', { agent: new https.Agent() }],
  ['a limit that is no number', { maxBytes: Number.NaN }],
])('A restore is refused with %s', async (_, options) => {
  const restoring = restore('http://127.0.0.1:9/', options);
  await expectFailure(restoring, { code: 'INVALID_OPTIONS' });
  await expect(restoring).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
});
