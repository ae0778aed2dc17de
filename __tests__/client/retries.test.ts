import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { create } from 'tar';
import { ensureRefs, type RestoreOptions, restoreSnapshot } from '../../lib/client/index.js';
import { cleanup } from '../support/temporary-directory.js';
import { serve } from './archive-server.js';
import { rawFrame } from './archives.js';

const { directory, defer } = cleanup(afterEach);

/** A server that gives these answers in their order, and then a snapshot without files. */
async function serveAfter(...failures: ((res: ServerResponse) => void)[]) {
  const empty = rawFrame(await create({ cwd: await directory() }, ['.']).concat());
  const requests: string[] = [];
  const url = await serve({ defer }, (req, res) => {
    requests.push(`${req.method} ${req.url}`);
    const failure = failures.shift();
    if (failure === undefined) res.end(empty);
    else failure(res);
  });
  return { url, requests };
}

async function restore(url: string, options: Partial<RestoreOptions> = {}) {
  return restoreSnapshot({ url, directory: join(await directory(), 'target'), ...options });
}

const busy = (status: number, seconds: number) => (res: ServerResponse) =>
  void res.writeHead(status, { 'retry-after': String(seconds) }).end();

test('A restore asks again after the time that a busy server names', async () => {
  const { url, requests } = await serveAfter(busy(503, 0), busy(429, 0));
  expect(await restore(url)).toMatchObject({ outcome: 'restored' });
  expect(requests).toHaveLength(3);
});

test('A restore connects again when its connection is cut', async () => {
  const cut = (res: ServerResponse) => void res.destroy();
  const { url, requests } = await serveAfter(cut);
  expect(await restore(url)).toMatchObject({ outcome: 'restored' });
  expect(requests).toHaveLength(2);
});

test.each<[string, (res: ServerResponse) => void, object, object]>([
  ['that would be too long', busy(503, 3600), { status: 503, retryAfter: 3600 }, {}],
  [
    'for ever',
    (res) => void res.writeHead(503, { 'retry-after': '9'.repeat(400) }).end(),
    { status: 503, retryAfter: 2 ** 31 },
    {},
  ],
  ['if retries are off', busy(503, 0), { status: 503, retryAfter: 0 }, { retryTimeout: 0 }],
  ['for an error that stays', (res) => void res.writeHead(404).end(), { status: 404 }, {}],
])('A restore does not wait %s', async (_, answer, error, options) => {
  const { url, requests } = await serveAfter(answer);
  await expect(restore(url, options)).rejects.toMatchObject(error);
  expect(requests).toHaveLength(1);
});

test('A signal ends the wait for a busy server, with its own reason', async () => {
  const leaving = new AbortController();
  const reason = new Error('enough');
  const { url, requests } = await serveAfter((res) => {
    busy(503, 30)(res);
    res.on('close', () => setImmediate(() => leaving.abort(reason)));
  });
  await expect(restore(url, { signal: leaving.signal })).rejects.toBe(reason);
  expect(requests).toHaveLength(1);
});

test('A server that names a time of months gets one request, not one each millisecond', async () => {
  const leaving = new AbortController();
  const again = (res: ServerResponse) => {
    busy(503, 10_000_000)(res);
    leaving.abort(new Error('asked again'));
  };
  const { url } = await serveAfter((res) => {
    busy(503, 10_000_000)(res);
    res.on('close', () => setTimeout(() => leaving.abort(new Error('waits')), 100));
  }, again);
  const options = { signal: leaving.signal, retryTimeout: Number.POSITIVE_INFINITY };
  await expect(restore(url, options)).rejects.toThrow('waits');
});

test.each([-1, Number.NaN])('A retryTimeout of %d is refused', async (retryTimeout) => {
  await expect(restore('http://localhost/', { retryTimeout })).rejects.toMatchObject({
    code: 'INVALID_OPTIONS',
  });
});

describe('ensureRefs', () => {
  async function serveAnswers(answer: (res: ServerResponse) => void) {
    const requests: string[] = [];
    const url = await serve({ defer }, async (req, res) => {
      requests.push(`${req.method} ${req.url} ${await text(req)}`);
      answer(res);
    });
    return { url, requests };
  }

  test('sends what it wants, and reads the answer', async () => {
    const sent = {
      refs: { 'refs/heads/main': 'a'.repeat(40) },
      missing_commits: ['c0ffee'],
      fetched: true,
    };
    const { url, requests } = await serveAnswers((res) => res.end(JSON.stringify(sent)));
    const refs = new Map([['refs/heads/main', '']]);
    expect(await ensureRefs({ url: `${url}?ref=main`, refs, commits: ['c0ffee'] })).toEqual({
      refs: new Map(Object.entries(sent.refs)),
      missingCommits: ['c0ffee'],
      fetched: true,
    });
    const body = '{"refs":{"refs/heads/main":""},"commits":["c0ffee"]}';
    expect(requests).toEqual([`POST /git/github.com/a/b/ensure-refs ${body}`]);
  });

  test('takes what the answer leaves out for empty', async () => {
    const { url } = await serveAnswers((res) => res.end('{"fetched":false}'));
    const nothing = { refs: new Map(), missingCommits: [], fetched: false };
    expect(await ensureRefs({ url, commits: ['c0ffee'] })).toEqual(nothing);
  });

  test.each<[string, (res: ServerResponse) => void, object]>([
    [
      'a status',
      (res) => res.writeHead(502, { 'retry-after': '99' }).end(),
      { status: 502, retryAfter: 99 },
    ],
    ['no JSON', (res) => res.end('<html>'), { status: 200 }],
    ['another form', (res) => res.end('{"refs":{"HEAD":1},"fetched":true}'), { status: 200 }],
    [
      'a redirect that would lose the body',
      (res) => res.writeHead(302, { location: '/' }).end(),
      { status: 302 },
    ],
  ])('fails for an answer with %s', async (_, answer, error) => {
    const { url } = await serveAnswers(answer);
    const ensuring = ensureRefs({ url, commits: ['c0ffee'], retryTimeout: 0 });
    await expect(ensuring).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', ...error });
  });

  test('refuses a URL that is no snapshot', async () => {
    const ensuring = ensureRefs({
      url: 'http://localhost/git/github.com/a/b',
      commits: ['c0ffee'],
    });
    await expect(ensuring).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
  });
});
