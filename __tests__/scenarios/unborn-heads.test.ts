/** @one-node-version */
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { restoreSnapshot } from '../../lib/client/index.js';
import { fsck } from '../support/fsck.js';
import { listen } from '../support/listen.js';
import { ownRepository } from '../support/own-repository.js';
import { encodePacket, FLUSH } from '../support/pkt-line.js';
import { expectProblem } from '../support/problem.js';
import { git } from '../support/run.js';
import { buildEmpty, buildSmall } from '../support/small-repositories.js';

const repository = ownRepository(buildSmall);
const { defer, directory, startApp } = repository;

async function makeEmpty(): Promise<void> {
  await rm(repository.bare, { recursive: true });
  await buildEmpty(repository.bare);
}

async function makeUnborn(): Promise<void> {
  await git(repository.bare, 'symbolic-ref', 'HEAD', 'refs/heads/to-come');
}

const kinds = [
  ['An empty repository', makeEmpty],
  ['A HEAD that names a branch without commits', makeUnborn],
] as const;

describe.each(kinds)('%s', (_, make) => {
  test.each([
    ['its branch, of an upstream that speaks protocol 2', false],
    ['the default branch, of one that does not', true],
  ])('comes with the name of %s, as git clones it', async (_name, isOld) => {
    const { upstream, path, url } = repository;
    await make();
    if (isOld) upstream.fault(path, { kind: 'protocol-0' });
    const app = await repository.sharedApp();
    const [snapshot, clone] = [join(await directory(), 'a'), join(await directory(), 'b')];
    await restoreSnapshot({ url: app.snapshotUrl(path), directory: snapshot });
    await git('.', '-c', 'init.defaultBranch=master', 'clone', '--quiet', url, clone);
    for (const args of [['symbolic-ref', 'HEAD'], ['for-each-ref'], ['status', '--porcelain']]) {
      expect(await git(snapshot, ...args)).toBe(await git(clone, ...args));
    }
    expect(await fsck(snapshot)).toEqual(await fsck(clone));
  });
});

test('If an upstream does not name the branch of a HEAD without commits, the snapshot has the default branch that git clone takes', async () => {
  const { bare, upstream, path, url } = repository;
  await git(bare, 'branch', '-m', 'main', 'master');
  await makeUnborn();
  upstream.fault(path, { kind: 'protocol-0' });
  const app = await repository.sharedApp();
  const [snapshot, clone] = [join(await directory(), 'a'), join(await directory(), 'b')];
  await restoreSnapshot({ url: app.snapshotUrl(path), directory: snapshot });
  await git('.', '-c', 'init.defaultBranch=master', 'clone', '--quiet', url, clone);
  const status = ['status', '--porcelain=v2', '--branch'];
  for (const args of [['symbolic-ref', 'HEAD'], status, ['ls-files', '--stage']]) {
    expect(await git(snapshot, ...args)).toBe(await git(clone, ...args));
  }
  expect(await git(snapshot, 'ls-files')).not.toBe('');
});

/** Serves an empty repository. Protocol 2 gets the answers of the test; `undefined`: no answer. */
async function serveEmpty(
  capabilities: Buffer | undefined,
  refs: Iterable<Buffer> | undefined,
): Promise<string> {
  const nothing = [encodePacket(`${'0'.repeat(40)} capabilities^{}\0agent=git/fake`), FLUSH];
  const service = [encodePacket('# service=git-upload-pack\n'), FLUSH];
  const server = createServer((req, res) => {
    const isQuestion = req.method === 'POST';
    const type = isQuestion ? 'result' : 'advertisement';
    res.writeHead(200, { 'content-type': `application/x-git-upload-pack-${type}` });
    if (req.headers['git-protocol'] !== 'version=2')
      res.end(Buffer.concat([...service, ...nothing]));
    else if (!isQuestion && capabilities !== undefined) res.end(capabilities);
    else if (isQuestion && refs !== undefined) pipeline(Readable.from(refs), res, () => {});
    else res.flushHeaders();
  });
  return await listen(server, defer);
}

describe('A HEAD without commits of an upstream', () => {
  const lines = ['version 2\n', 'ls-refs=unborn\n'].map((line) => encodePacket(line));
  const capabilities = Buffer.concat([...lines, FLUSH]);
  const line = encodePacket(`${'1'.repeat(40)} refs/heads/${'x'.repeat(200)}\n`);
  const piece = Buffer.concat(Array.from({ length: 256 }, () => line));
  function* endless() {
    for (;;) yield piece;
  }

  test.each([
    ['does not say what it offers', undefined, undefined, 'UPSTREAM_TIMEOUT'],
    ['does not say where it points', capabilities, undefined, 'UPSTREAM_TIMEOUT'],
    ['lists refs without end', capabilities, endless(), 'LIMIT_EXCEEDED'],
  ] as const)('fails the request when that %s', async (_, offered, refs, code) => {
    const upstreamUrl = await serveEmpty(offered, refs);
    // The upstream is silent, or talks, for ever: only one of these can end the request.
    const limits =
      code === 'LIMIT_EXCEEDED'
        ? { limits: { maxRefsBytes: 1 << 20 } }
        : { timeouts: { refsTimeout: 500 } };
    const app = await startApp({ upstreamUrl, ...limits });
    await expectProblem(app.snapshotUrl(repository.path), code);
  });
});
