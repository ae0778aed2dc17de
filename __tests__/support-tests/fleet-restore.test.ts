/**
 * @needs bash zstd tar
 * @one-node-version
 */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetClient } from '../support/fleet-client.js';
import { seededBytes } from '../support/random.js';
import { runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import {
  type Answer,
  cut,
  drop,
  type Fault,
  type FleetServer,
  problem,
  type Request,
  set,
  shift,
  startFleetServer,
  status,
} from './fleet-server.js';

const { directory, defer } = cleanup(afterEach);
const REPOSITORY = 'example.com/org/repo';
const CHUNK = 1000;
const ETAG = '"abc"';
const COMMIT = '1'.repeat(40);

let server: FleetServer;
let client: FleetClient;
let snapshot: Buffer;
let target: string;

beforeEach(async () => {
  const tree = join(await directory(), 'tree');
  await mkdir(tree);
  await chmod(tree, 0o755);
  await writeFile(join(tree, 'file'), 'one\n');
  await writeFile(join(tree, 'large'), seededBytes('large', 10 * CHUNK));
  const script = 'set -o pipefail; tar -cf - -C "$1" . | zstd -qc';
  snapshot = await runBinary('bash', ['-c', script, 'bash', tree]);
  server = await startFleetServer(defer);
  server.respond = (request) => serve(snapshot, request);
  client = new FleetClient(server.url, { chunkBytes: CHUNK, concurrency: 3 });
  target = join(await directory(), 'made', 'restored');
});

test('A client of the fleet fetches one range first, then the others of the same entity', async () => {
  const bundleUrl = `/git/${REPOSITORY}/snapshot.bundle?base=${COMMIT}`;
  server.faults.set(0, ({ headers }) => {
    headers['X-Cachew-Bundle-Url'] = bundleUrl;
  });
  expect(await client.restore(REPOSITORY, target)).toEqual({
    status: 206,
    etag: ETAG,
    commit: COMMIT,
    bundleUrl,
  });
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('one\n');
  expect((await stat(target)).mode & 0o777).toBe(0o755);
  expect(new Set(server.requests.map(({ path }) => path))).toEqual(
    new Set([`/git/${REPOSITORY}/snapshot.tar.zst`]),
  );
  expect(server.requests[0]?.headers).toMatchObject({ range: 'bytes=0-999' });
  expect(server.requests[0]?.headers).not.toHaveProperty('if-match');
  const last = snapshot.length - 1;
  const later = server.requests.slice(1).map(({ headers }) => headers);
  expect(later.every((headers) => headers['if-match'] === ETAG)).toBe(true);
  const expected = [];
  for (let start = CHUNK; start <= last; start += CHUNK) {
    expected.push(`bytes=${start}-${Math.min(start + CHUNK - 1, last)}`);
  }
  expect(later.map(({ range }) => range).sort()).toEqual(expected.sort());
});

test('A client of the fleet makes no more requests when one range has all', async () => {
  client = new FleetClient(server.url);
  expect(await client.restore(REPOSITORY, target)).toMatchObject({ status: 206 });
  expect(server.requests.length).toBe(1);
  expect(existsSync(join(target, 'file'))).toBe(true);
});

test('A client of the fleet reads an answer with 200 as the whole', async () => {
  const headers = {
    ETag: ETAG,
    'Content-Type': 'application/zstd',
    'Content-Disposition': 'attachment; filename="repo.tar.zst"',
  };
  server.respond = () => ({ status: 200, headers, body: snapshot });
  expect(await client.restore(REPOSITORY, target)).toEqual({
    status: 200,
    etag: ETAG,
    commit: undefined,
    bundleUrl: undefined,
  });
  expect(existsSync(join(target, 'file'))).toBe(true);
});

test.each<[string, number, Fault, string]>([
  ['another ETag', 2, set('ETag', '"abd"'), 'byte-identical ETag'],
  ['a weak ETag', 0, set('ETag', 'W/"abc"'), 'strong ETag'],
  ['no ETag', 0, drop('ETag'), 'strong ETag'],
  ['a 200 to a later range', 2, status(200), 'need 206'],
  ['a range that begins elsewhere', 1, shift(1, 0), '206 with Content-Range'],
  ['a range that ends elsewhere', 1, shift(0, -1), '206 with Content-Range'],
  ['another total', 1, set('Content-Range', 'bytes 1000-1999/2000'), '206 with Content-Range'],
  ['a first range that is shorter', 0, shift(0, -1), '206 with Content-Range'],
  ['no Content-Range', 0, drop('Content-Range'), '206 with Content-Range'],
  ['a body that is too short', 2, cut, '206 with Content-Range'],
  ['another commit', 3, set('X-Cachew-Snapshot-Commit', '2'.repeat(40)), 'same commit header'],
  ['a commit that is none', 0, set('X-Cachew-Snapshot-Commit', 'main'), 'sha of HEAD'],
  ['another type', 0, set('Content-Type', 'application/octet-stream'), 'application/zstd'],
  ['no file name', 0, drop('Content-Disposition'), 'Content-Disposition'],
  ['no Accept-Ranges', 0, drop('Accept-Ranges'), 'Accept-Ranges: bytes'],
  ['no Last-Modified', 0, drop('Last-Modified'), 'Last-Modified'],
  [
    'a bundle of another repository',
    0,
    set('X-Cachew-Bundle-Url', '/git/example.com/x/snapshot.bundle?base='),
    'X-Cachew-Bundle-Url',
  ],
  ['an error that is no problem', 0, status(503), 'problem+json'],
  ['an error without a code', 1, problem(412, undefined), 'our stable code'],
  ['a 503 without Retry-After', 0, problem(503, 'UPSTREAM_TIMEOUT'), 'Retry-After'],
])('A client of the fleet refuses %s', async (_, request, fault, sentence) => {
  server.faults.set(request, fault);
  await expect(client.restore(REPOSITORY, target)).rejects.toMatchObject({
    name: 'ContractViolation',
    message: expect.stringContaining(sentence),
  });
  expect(await readdir(join(target, '..'))).toEqual([]);
});

test('A client of the fleet refuses a range whose connection ends early', async () => {
  server.faults.set(1, (answer) => {
    answer.headers['Content-Length'] = '1000';
    answer.headers.Connection = 'close';
    answer.body = answer.body.subarray(1);
  });
  await expect(client.restore(REPOSITORY, target)).rejects.toThrow('terminated');
});

test('A client of the fleet reports a refusal of the server', async () => {
  server.faults.set(0, problem(503, 'UPSTREAM_TIMEOUT', { 'Retry-After': '30' }));
  await expect(client.restore(REPOSITORY, target)).rejects.toMatchObject({
    name: 'RequestRefused',
    status: 503,
    code: 'UPSTREAM_TIMEOUT',
  });
});

test('A client of the fleet refuses bytes that are no archive', async () => {
  server.respond = (request) => serve(Buffer.alloc(5000), request);
  await expect(client.restore(REPOSITORY, target)).rejects.toThrow('zstd');
  expect(await readdir(join(target, '..'))).toEqual([]);
});
/** A right answer to a range. */
function serve(snapshot: Buffer, { headers }: Request): Answer {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  const start = Number(from);
  const end = Math.min(Number(to), snapshot.length - 1);
  return {
    status: 206,
    headers: {
      'Content-Type': 'application/zstd',
      'Content-Disposition': 'attachment; filename="repo.tar.zst"',
      'Content-Range': `bytes ${start}-${end}/${snapshot.length}`,
      'Accept-Ranges': 'bytes',
      'Last-Modified': 'Thu, 29 Feb 2024 12:30:15 GMT',
      ETag: ETAG,
      'X-Cachew-Snapshot-Commit': COMMIT,
    },
    body: snapshot.subarray(start, end + 1),
  };
}
