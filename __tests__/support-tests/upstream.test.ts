/** @one-node-version */
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { cloneWithGit } from '../support/clone.js';
import { encodePacket } from '../support/pkt-line.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { git, run } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const { directory, defer } = cleanup(afterEach);
let root: string;
let upstream: Upstream;

beforeEach(async () => {
  root = await directory();
  await buildSmall(join(root, 'org/small.git'));
  upstream = await startUpstream({ root });
  defer(() => upstream.close());
});

/** A repository whose pack does not fit into the buffers between git and its client. */
async function buildLarge(): Promise<void> {
  const builder = await RepositoryBuilder.create(join(root, 'large.git'));
  builder.commit({ files: { noise: seededBytes(1, 32 << 20) } });
  await builder.finish();
}

test.each(['0', '2'])('git clones from an upstream by protocol %s', async (version) => {
  const clone = join(await directory(), 'clone');
  await cloneWithGit(`${upstream.url}/org/small`, clone, '-c', `protocol.version=${version}`);
  expect(await git(clone, 'rev-parse', 'HEAD')).toBe(
    await git(join(root, 'org/small.git'), 'rev-parse', 'HEAD'),
  );
  const services = upstream.requests.map(({ service }) => service);
  expect(services).toEqual(
    version === '2' ? ['info-refs', 'ls-refs', 'upload-pack'] : ['info-refs', 'upload-pack'],
  );
  expect(upstream.infoRefs('org/small')).toBe(1);
  expect(upstream.uploadPacks('org/small')).toBe(1);
  expect(upstream.requests.at(-1)).toMatchObject({
    method: 'POST',
    path: '/org/small/git-upload-pack',
    repository: 'org/small',
    protocol: Number(version),
    status: 200,
    userAgent: expect.stringMatching(/^git\//),
    authorization: false,
    finished: true,
    closed: true,
  });
});

test('An upstream counts requests by repository, with and without .git, also for one that does not exist', async () => {
  await git(root, 'ls-remote', `${upstream.url}/org/small.git`);
  await expect(git(root, 'ls-remote', `${upstream.url}/org/none`)).rejects.toThrow(/not found/);
  expect([upstream.infoRefs('org/small'), upstream.infoRefs('org/none')]).toEqual([1, 1]);
  expect(upstream.requests.at(-1)).toMatchObject({ repository: 'org/none', status: 404 });
});

test('An upstream accepts a gzipped request', async () => {
  const tip = await git(join(root, 'org/small.git'), 'rev-parse', 'HEAD');
  const body = gzipSync(
    Buffer.concat([encodePacket(`want ${tip}\n`), Buffer.from('0000'), encodePacket('done\n')]),
  );
  const headers = {
    'Content-Type': 'application/x-git-upload-pack-request',
    'Content-Encoding': 'gzip',
  };
  const url = `${upstream.url}/org/small/git-upload-pack`;
  const response = await fetch(url, { method: 'POST', headers, body });
  const answer = Buffer.from(await response.arrayBuffer());
  expect(answer.toString('latin1', 0, 12)).toBe('0008NAK\nPACK');
});

test('Two upstreams serve several clients at once', async () => {
  const other = await startUpstream({ root });
  defer(() => other.close());
  const clones = await directory();
  await Promise.all(
    [upstream, other, upstream].map((server, i) =>
      cloneWithGit(`${server.url}/org/small`, join(clones, String(i))),
    ),
  );
  expect([upstream.uploadPacks('org/small'), other.uploadPacks('org/small')]).toEqual([2, 1]);
});

test('An upstream kills git when its client hangs up', async () => {
  await buildLarge();
  const gate = upstream.gate('large', 1 << 20);
  const hangUp = new AbortController();
  const clone = run('git', ['clone', `${upstream.url}/large`, join(await directory(), 'clone')], {
    signal: hangUp.signal,
  });
  await gate.reached;
  expect((await processesIn(root)).length).toBeGreaterThan(0);
  hangUp.abort();
  await expect(clone).rejects.toThrow();
  await upstream.waitFor(({ requests }) => requests.every(({ closed }) => closed));
  expect(upstream.requests.at(-1)?.finished).toBe(false);
  while ((await processesIn(root)).length > 0) await setImmediate();
});

test('An upstream that is closed ends the connections of its clients', async () => {
  await buildLarge();
  upstream.fault('large', { kind: 'stall', after: 1000 });
  const started = once(upstream, 'upload-pack-started');
  const clone = cloneWithGit(`${upstream.url}/large`, join(await directory(), 'clone'));
  const cut = expect(clone).rejects.toThrow(/clone/);
  await started;
  await upstream.close();
  await upstream.close();
  await cut;
  await expect(upstream.waitFor(() => false)).rejects.toThrow();
});

/** Ids of the processes that work in a directory. */
async function processesIn(parent: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const directories = await Promise.all(
    ids.map((id) => readlink(`/proc/${id}/cwd`).catch(() => 'ended meanwhile')),
  );
  return ids.filter((_, i) => directories[i]?.startsWith(parent));
}
