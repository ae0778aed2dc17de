import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type RestoreOptions, restoreSnapshot } from '../../lib/client/index.js';
import { seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { serve } from './archive-server.js';
import { rawFrame, withDigest } from './archives.js';
import { tarOfMembers } from './tar-members.js';

const { directory, defer } = cleanup(afterEach);
const CONTENT = seededBytes('resume', 1_000_000).toString('latin1');
const ARCHIVE = withDigest(
  rawFrame(
    tarOfMembers([
      ['.git/HEAD', 'ref: refs/heads/main\n'],
      ['large', CONTENT],
    ]),
  ),
);
const ETAG = '"one"';
let parent: string;
let target: string;
let requests: IncomingMessage[];

beforeEach(async () => {
  parent = await directory();
  target = join(parent, 'target');
  requests = [];
});

/** Sends bytes of the archive, with the headers of an answer to a range request if they don't begin it. */
function send(res: ServerResponse, from: number, to: number, headers: object = {}): void {
  const length = ARCHIVE.length;
  const range = { 'content-range': `bytes ${from}-${length - 1}/${length}` };
  const rest = from === 0 ? {} : range;
  const status = from === 0 ? 200 : 206;
  res.writeHead(status, { etag: ETAG, 'content-length': length - from, ...rest, ...headers });
  // Flushed first, so that the client has the head.
  res.write(ARCHIVE.subarray(from, to), () => (to < length ? res.destroy() : res.end()));
}

/** Sends 400,000 bytes; `again` answers the further requests, which have a number from 1. */
function serveBroken(
  again: (res: ServerResponse, number: number, req: IncomingMessage) => void,
  headers: object = {},
): Promise<string> {
  return serveWith((req, res) => {
    if (requests.length === 1) send(res, 0, 400_000, headers);
    else again(res, requests.length - 1, req);
  });
}

function serveWith(listener: RequestListener): Promise<string> {
  return serve({ defer }, (req, res) => {
    requests.push(req);
    listener(req, res);
  });
}

function restore(url: string, options: Partial<RestoreOptions> = {}) {
  return restoreSnapshot({ url, directory: target, retryTimeout: 0, ...options });
}

/** Where a request for the rest begins. */
function startOf({ headers }: IncomingMessage): number {
  expect(headers['if-range']).toBe(ETAG);
  return Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1]);
}

async function expectRestored(restoring: ReturnType<typeof restore>): Promise<void> {
  const { verified, receivedBytes } = await restoring;
  expect([verified, receivedBytes]).toEqual([true, ARCHIVE.length]);
  const content = await readFile(join(target, 'large'), 'utf8');
  expect(content === CONTENT).toBe(true);
}

test('A download that breaks off goes on where it was, as often as that brings bytes', async () => {
  const url = await serveBroken((res, number, req) => {
    const from = startOf(req);
    expect(from).toBeGreaterThan(0);
    send(res, from, number < 4 ? from + 100_000 : ARCHIVE.length);
  });
  await expectRestored(restore(url, { headers: { authorization: 'Bearer x' } }));
  expect(requests.map(({ headers }) => headers.authorization)).toEqual(Array(5).fill('Bearer x'));
});

test('A server that knows no ranges, as during a build, sends the snapshot again', async () => {
  const url = await serveBroken((res) => send(res, 0, ARCHIVE.length));
  await expectRestored(restore(url));
  expect(requests).toHaveLength(2);
});

test('A store to which the server redirects continues the download, and gets no credentials', async () => {
  const atStore: IncomingMessage[] = [];
  const store = await serve({ defer }, (req, res) => {
    atStore.push(req);
    if (atStore.length === 1) send(res, 0, 400_000);
    else send(res, startOf(req), ARCHIVE.length);
  });
  const url = await serveWith((_req, res) => res.writeHead(307, { location: store }).end());
  await expectRestored(restore(url, { headers: { authorization: 'Bearer x' } }));
  expect(requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer x', 'Bearer x']);
  expect(atStore.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
});

const NEW = { etag: '"two"' };

test.each<[string, (res: ServerResponse, from: number) => void, number?]>([
  ['the server has another snapshot by now', (res) => send(res, 0, ARCHIVE.length, NEW)],
  ['it sends a range of another snapshot', (res, from) => send(res, from, ARCHIVE.length, NEW)],
  ['it sends another range', (res, from) => send(res, from - 1, ARCHIVE.length)],
  ['the rest breaks off at once, three times', (res, from) => send(res, from, from), 4],
])('The restore fails, and tells how far it came, if %s', async (_, again, count = 2) => {
  const url = await serveBroken((res, _number, req) => again(res, startOf(req)));
  const failure = await restore(url).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'DOWNLOAD_FAILED', status: 200, isTransient: true });
  const from = requests[1] && startOf(requests[1]);
  expect(failure).toMatchObject({ message: `${url} broke off after ${from} bytes` });
  expect(requests).toHaveLength(count);
  expect(await readdir(parent)).toEqual([]);
});

test('A server that is busy for a moment continues the download afterwards', async () => {
  const url = await serveBroken((res, number, req) => {
    if (number === 1) res.writeHead(503, { 'retry-after': '0' }).end();
    else send(res, startOf(req), ARCHIVE.length);
  });
  await expectRestored(restore(url, { retryTimeout: 9_000 }));
  expect(requests).toHaveLength(3);
});

test('The restore fails with the answer of a server that refuses the rest', async () => {
  const url = await serveBroken((res) => res.writeHead(503, { 'retry-after': '7' }).end());
  const failure = { code: 'DOWNLOAD_FAILED', status: 503, retryAfter: 7 };
  await expect(restore(url)).rejects.toMatchObject(failure);
  expect(await readdir(parent)).toEqual([]);
});

test.each([
  ['none', {}],
  ['a weak one', { etag: 'W/"one"' }],
])('Without a strong entity tag (%s), no rest is requested', async (_, headers) => {
  const url = await serveWith((_req, res) => {
    res.writeHead(200, { 'content-length': ARCHIVE.length, ...headers });
    res.write(ARCHIVE.subarray(0, 400_000), () => res.destroy());
  });
  await expect(restore(url)).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
  expect(requests).toHaveLength(1);
});

test('An abort ends a restore that waits for the rest, and leaves nothing behind', async () => {
  const aborting = new AbortController();
  const url = await serveBroken(() => aborting.abort(new Error('enough')));
  await expect(restore(url, { signal: aborting.signal })).rejects.toThrow('enough');
  expect(await readdir(parent)).toEqual([]);
});

test('A damaged archive ends the restore, and no connection is left', async () => {
  const ended: Promise<unknown>[] = [];
  const url = await serveBroken((res, _number, req) => {
    ended.push(new Promise((resolve) => res.once('close', resolve)));
    const from = startOf(req);
    const length = ARCHIVE.length - from;
    const range = `bytes ${from}-${ARCHIVE.length - 1}/${ARCHIVE.length}`;
    res.writeHead(206, { etag: ETAG, 'content-length': length, 'content-range': range });
    // The last bytes never come.
    res.write(Buffer.alloc(length - 1, 0xff));
  });
  await expect(restore(url)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  expect(ended).toHaveLength(1);
  await Promise.all(ended);
});
