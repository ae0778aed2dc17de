import { Readable } from 'node:stream';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { ERROR_CODES, type SnapshotErrorCode } from '../../lib/error-codes.js';
import { SnapshotError, type SnapshotErrorOptions } from '../../lib/errors.js';
import { parseRepository } from '../../lib/repository.js';
import { FakeService } from './fake-service.js';
import { send, serve, type TestServer } from './test-server.js';

const path = '/github.com/org/repo/snapshot.tar.zst';
let server: TestServer | undefined;
afterEach(() => server?.close());

async function failWith(error: unknown): Promise<TestServer> {
  const source = new FakeService();
  source.build = () => {
    throw error;
  };
  server = await serve(source);
  return server;
}

const EXPECTED: [number, SnapshotErrorCode[]][] = [
  [400, ['INVALID_REPOSITORY', 'INVALID_REQUEST']],
  [401, ['UNAUTHORIZED']],
  [403, ['FORBIDDEN']],
  [404, ['NOT_FOUND', 'NOT_STORED', 'REF_NOT_FOUND', 'BASE_NOT_FOUND']],
  [405, ['METHOD_NOT_ALLOWED']],
  [412, ['PRECONDITION_FAILED']],
  [413, ['CONTENT_TOO_LARGE']],
  [416, ['RANGE_NOT_SATISFIABLE']],
  [429, ['TOO_MANY_VARIANTS']],
  [
    503,
    [
      'UPSTREAM_NOT_FOUND',
      'UPSTREAM_DENIED',
      'UPSTREAM_UNREACHABLE',
      'UPSTREAM_RATE_LIMITED',
      'UPSTREAM_ADDRESS_FORBIDDEN',
      'UPSTREAM_TIMEOUT',
      'UPSTREAM_INVALID',
      'REPOSITORY_INVALID',
      'REPOSITORY_UNSUPPORTED',
      'MIRROR_CORRUPTED',
      'LIMIT_EXCEEDED',
      'STORE_BUSY',
      'OVERLOADED',
      'LOCK_UNAVAILABLE',
      'LOCK_LOST',
      'ABORTED',
      'CLOSED',
    ],
  ],
  [500, ['STORE_FAILED', 'INTERNAL', 'INVALID_OPTIONS']],
  [500, ['TARGET_NOT_EMPTY', 'DOWNLOAD_FAILED', 'ARCHIVE_INVALID', 'NAME_UNSUPPORTED']],
  [507, ['STORAGE_FULL']],
];

test('Each error code has a status', () => {
  expect(EXPECTED.flatMap(([, codes]) => codes).sort()).toEqual([...ERROR_CODES].sort());
});

test.each(EXPECTED.flatMap(([status, codes]) => codes.map((code) => [code, status] as const)))(
  '%s is answered with %i, and its cause is not sent',
  async (code, status) => {
    const secret = 'https://user:token@10.0.0.5/ at /srv/data/mirrors';
    const error = new SnapshotError(code, secret, { cause: new Error(secret) });
    expect(error.httpStatus).toBe(status);
    const running = await failWith(error);
    const reply = await send(running, path);
    expect(reply.status).toBe(status);
    expect(reply.headers['content-type']).toBe('application/problem+json');
    expect(reply.headers['cache-control']).toBe('no-store');
    const mayRetry = error.isTransient && [429, 503].includes(status);
    expect(reply.headers['retry-after']).toBe(mayRetry ? '30' : undefined);
    expect(reply.headers['content-disposition']).toBeUndefined();
    expect(JSON.parse(reply.body.toString())).toEqual({
      type: `urn:problem-type:express-git-snapshot:${code.toLowerCase().replace(/_/g, '-')}`,
      title: error.clientText,
      status,
      detail: mayRetry
        ? error.clientAdvice.replace('Try again later', 'Try again after 30 s')
        : error.clientAdvice,
      code,
    });
    const level = status === 503 ? 'warn' : 'error';
    const logged = [{ level, fields: { code, repository: 'github.com/org/repo', err: error } }];
    expect(running.log).toMatchObject(status < 500 ? [] : logged);
    expect(running.log).toHaveLength(status < 500 ? 0 : 1);
  },
);

test('A problem has the detail that is meant for the client', async () => {
  const error = new SnapshotError('REF_NOT_FOUND', 'a secret', { clientDetail: 'no "x"' });
  const reply = await send(await failWith(error), path);
  const { type, ...rest } = JSON.parse(reply.body.toString());
  const title = error.clientText;
  const detail = `No "x". ${error.clientAdvice}`;
  expect(rest).toEqual({ title, status: 404, detail, code: 'REF_NOT_FOUND' });
});

test.each(ERROR_CODES)('%s says in one sentence what to do next', (code) => {
  const { clientText, clientAdvice } = new SnapshotError(code, 'secret');
  for (const sentence of [clientText, clientAdvice]) expect(sentence).toMatch(/^[A-Z][^.]+\.$/);
});

test.each<[SnapshotErrorCode, SnapshotErrorOptions, string, string | undefined]>([
  [
    'LIMIT_EXCEEDED',
    { limit: 'maxPackBytes', retryAfter: 60 },
    'The limit is the option maxPackBytes. Clone the repository with git, or ask the operator of this server for a higher limit. The server does not try again within 60 s.',
    undefined,
  ],
  [
    'UPSTREAM_NOT_FOUND',
    { retryAfter: 29.5 },
    'Check the path, or ask the operator of this server for access to the repository. The server does not try again within 30 s.',
    undefined,
  ],
  ['UPSTREAM_RATE_LIMITED', { retryAfter: 1800 }, 'Try again after 1800 s.', '1800'],
  ['MIRROR_CORRUPTED', {}, 'Try again after 30 s: the server makes a new copy.', '30'],
  ['STORAGE_FULL', {}, 'Tell the operator of this server.', undefined],
  [
    'STORE_FAILED',
    {},
    'Try again later, and tell the operator of this server if it fails again.',
    undefined,
  ],
])('The detail of %s with %p says when a retry helps', async (code, options, detail, header) => {
  const reply = await send(await failWith(new SnapshotError(code, 'secret', options)), path);
  expect(JSON.parse(reply.body.toString())).toMatchObject({ code, detail });
  expect(reply.headers['retry-after']).toBe(header);
});

test('A problem of another installed copy of the library, without advice, has some', async () => {
  const error = Object.defineProperty(new SnapshotError('OVERLOADED', 'busy'), 'clientAdvice', {
    value: undefined,
  });
  const reply = await send(await failWith(error), path);
  expect(JSON.parse(reply.body.toString())).toMatchObject({ detail: 'Try again after 30 s.' });
});

test.each([
  [0, '1'],
  [0.2, '1'],
  [7, '7'],
  [7.01, '8'],
  [3600, '3600'],
  [-5, '1'],
  // Of no use to a client: the default is sent.
  [Number.NaN, '30'],
  [Number.POSITIVE_INFINITY, '30'],
  [1e300, '30'],
])(
  'A failure that may be retried in %d s is sent with Retry-After: %s',
  async (retryAfter, header) => {
    const error = new SnapshotError('UPSTREAM_TIMEOUT', 'late', { retryAfter });
    const reply = await send(await failWith(error), path);
    expect(reply.headers['retry-after']).toBe(header);
  },
);

test.each<[unknown, number, string]>([
  [new TypeError('x is undefined'), 500, 'INTERNAL'],
  ['a string', 500, 'INTERNAL'],
  [undefined, 500, 'INTERNAL'],
  [Object.assign(new Error('write /srv/x'), { code: 'ENOSPC' }), 507, 'STORAGE_FULL'],
])('A thrown value without a code is answered with a code: %p', async (thrown, status, code) => {
  const reply = await send(await failWith(thrown), path);
  expect(reply.status).toBe(status);
  expect(JSON.parse(reply.body.toString())).toMatchObject({ code });
});

test('HEAD is answered with the headers of a problem document and no body', async () => {
  const source = new FakeService();
  server = await serve(source);
  const missing = await send(server, path, { method: 'HEAD' });
  expect([missing.status, missing.body.length]).toEqual([404, 0]);
  expect(missing.headers['content-type']).toBe('application/problem+json');

  source.statStored = async () => {
    throw new SnapshotError('STORE_FAILED', 'broken');
  };
  const failed = await send(server, path, { method: 'HEAD' });
  expect([failed.status, failed.body.length]).toEqual([500, 0]);
});

test('A body that fails before its first byte is answered with a problem document', async () => {
  const failing = () =>
    new Readable({
      read() {
        this.destroy(new SnapshotError('STORE_FAILED', 'gone'));
      },
    });
  const source = new FakeService();
  source.read = failing;
  source.build = () => ({ body: failing() });
  source.store(defaultSnapshot(parseRepository('github.com/org/repo')), {
    bytes: Buffer.alloc(9),
    etag: '"1"',
  });
  server = await serve(source);
  for (const [where, headers] of [
    [path, {}],
    [path, { range: 'bytes=1-' }],
    ['/github.com/org/new/snapshot.tar.zst', {}],
  ] as const) {
    const reply = await send(server, where, { headers });
    expect([reply.status, reply.headers.etag]).toEqual([500, undefined]);
    expect(JSON.parse(reply.body.toString())).toMatchObject({ code: 'STORE_FAILED' });
  }
});
