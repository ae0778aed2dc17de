/**
 * @needs bsdtar curl nginx pzstd tar zstd
 * @one-node-version
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import type { Gate } from '../support/gate.js';
import type { HostApp } from '../support/host-app.js';
import { execute, git, run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { startNginx } from '../support/web-server.js';

/*
 * A repository that takes long to clone: the answer begins before the snapshot is there.
 */

const FRAME_BYTES = 16;
const { directory, defer } = cleanup(afterEach);

let repository: FreshRepository;
let app: HostApp;
let gate: Gate;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  app = await repository.startApp({ keepAliveInterval: 20 });
  defer(() => app.close());
  gate = repository.upstream.gate(repository.path, 10);
});

/** An answer of which the frames have come that precede the snapshot. */
async function beginWaiting(url: string) {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent: false }, resolve).on('error', reject);
  });
  const parts: Buffer[] = [];
  const length = () => parts.reduce((sum, part) => sum + part.length, 0);
  for await (const part of answer.iterator({ destroyOnReturn: false })) {
    parts.push(part);
    if (length() >= 3 * FRAME_BYTES) break;
  }
  const rest = async () => Buffer.concat([...parts, ...(await answer.toArray())]);
  return { headers: answer.headers, rest };
}

test('Programs that read zstd skip the frames, also those of a client that joins the clone', async () => {
  const url = app.snapshotUrl('org/repo');
  const waiting = await Promise.all([beginWaiting(url), beginWaiting(url)]);
  await gate.reached;
  gate.release();
  const downloads = await Promise.all(waiting.map(({ rest }) => rest()));
  expect(
    repository.upstream.requests.filter(({ service }) => service === 'upload-pack'),
  ).toHaveLength(1);

  const stored = join(await directory(), 'stored.tar.zst');
  await run('curl', ['-sSfo', stored, url]);
  const decode = async (program: string, path: string) =>
    (await runBinary(program, ['-dc', path])).toString('base64');
  const tar = await decode('zstd', stored);
  for (const download of downloads) {
    const file = join(await directory(), 'snapshot.tar.zst');
    await writeFile(file, download);
    for (const program of ['zstd', 'pzstd']) {
      expect([program, (await decode(program, file)) === tar]).toEqual([program, true]);
    }
    for (const [program, ...options] of [['bsdtar'], ['tar', '--zstd']]) {
      const target = join(await directory(), 'target');
      await mkdir(target);
      await run(program ?? '', [...options, '-xf', file, '-C', target]);
      expect(await git(target, 'status', '--porcelain')).toBe('');
      expect((await git(target, 'rev-parse', 'HEAD')).trim()).toBe(await repository.head());
    }
  }
});

test('restoreSnapshot waits behind nginx, and checks the digest of the snapshot', async () => {
  const nginx = await startNginx({ directory, defer }, `location / { proxy_pass ${app.url}; }`);
  const url = app.snapshotUrl('org/repo').replace(app.url, nginx.url);
  const target = join(await directory(), 'target');
  const restoring = restoreSnapshot({ url, directory: target });
  // nginx passes the frames on at once, although it buffers other answers.
  const waiting = await beginWaiting(url);
  expect(waiting.headers).not.toHaveProperty('x-accel-buffering');
  gate.release();
  const stored = (await waiting.rest()).subarray(3 * FRAME_BYTES);
  const result = await restoring;
  expect(result).toMatchObject({ verified: true, commit: undefined });
  expect(result.receivedBytes).toBeLessThanOrEqual(stored.length);
  expect((await git(target, 'rev-parse', 'HEAD')).trim()).toBe(await repository.head());
});

test('A failure after the first frame is no success for anyone, also behind nginx', async () => {
  const nginx = await startNginx({ directory, defer }, `location / { proxy_pass ${app.url}; }`);
  const url = app.snapshotUrl('org/repo').replace(app.url, nginx.url);
  const target = join(await directory(), 'target');
  const restoring = restoreSnapshot({ url, directory: target, retryTimeout: 0 });
  const failed = expect(restoring).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', status: 200 });
  const waiting = await beginWaiting(url);
  const curl = execute('curl', ['-sSf', '-o', '/dev/null', url]);
  await repository.upstream.close();
  await expect(waiting.rest()).rejects.toThrow();
  await failed;
  expect((await curl).code).not.toBe(0);
});
