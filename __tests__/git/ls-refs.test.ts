/** @one-node-version */
import { join } from 'node:path';
import { encodeHeadQuery, readCapabilities, readUnbornHead } from '../../lib/git/ls-refs.js';
import { refNameOf } from '../../lib/git/refs.js';
import { encodePacket, FLUSH } from '../support/pkt-line.js';
import { git, runBinary } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

async function capabilitiesOf(repository: string): Promise<ReadonlySet<string>> {
  const args = ['upload-pack', '--stateless-rpc', '--advertise-refs', repository];
  const answer = await runBinary('git', args, { env: { GIT_PROTOCOL: 'version=2' } });
  return (await readCapabilities(each(answer))) ?? new Set();
}

async function askGit(repository: string): Promise<string | undefined> {
  const query = encodeHeadQuery('test/1.0 (with words)', await capabilitiesOf(repository));
  if (query === undefined) throw new Error('git does not tell unborn heads');
  const answer = await runBinary('git', ['upload-pack', '--stateless-rpc', repository], {
    env: { GIT_PROTOCOL: 'version=2' },
    input: query,
  });
  expect(answer.subarray(-4)).toEqual(FLUSH);
  return await readUnbornHead(each(answer));
}

async function* each(...chunks: Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

test.each(['trunk', 'release/1.0', 'ünïcode', 'with-no-break-space\u00a0', 'line\u2028separator'])(
  'The unborn branch %j is found in the answer of git',
  async (branch) => {
    const repository = join(await directory(), 'empty.git');
    await git('.', 'init', '--quiet', '--bare', repository);
    await git(repository, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
    expect(await askGit(repository)).toBe(refNameOf(`refs/heads/${branch}`));
  },
);

test('A HEAD with commits is not unborn', async () => {
  const repository = join(await directory(), 'small.git');
  await buildSmall(repository);
  expect(await askGit(repository)).toBeUndefined();
});

test.each([
  ['nothing', []],
  ['no HEAD', [FLUSH]],
  ['no target', [encodePacket('unborn HEAD\n'), FLUSH]],
  ['a target that is no branch', [encodePacket('unborn HEAD symref-target:refs/tags/x\n'), FLUSH]],
  [
    'a target that is no name',
    [encodePacket('unborn HEAD symref-target:refs/heads/../x\n'), FLUSH],
  ],
  ['another ref', [encodePacket('unborn refs/x symref-target:refs/heads/x\n'), FLUSH]],
])('An answer with %s gives no unborn branch', async (_, chunks) => {
  expect(await readUnbornHead(each(...chunks))).toBeUndefined();
});

describe('The question', () => {
  test('is asked only where the answer may tell it', () => {
    for (const offered of [[], ['ls-refs'], ['ls-refs=other'], ['unborn']]) {
      expect(encodeHeadQuery('test', new Set(offered))).toBeUndefined();
    }
    const query = encodeHeadQuery('test', new Set(['ls-refs=other unborn']))?.toString();
    expect(query).toContain('unborn\n');
    expect(query).not.toContain('agent=');
  });

  test.each([
    ['nothing', []],
    [
      'protocol v0',
      [encodePacket('# service=git-upload-pack\n'), FLUSH, encodePacket('0 a\n'), FLUSH],
    ],
    ['protocol v1', [encodePacket('version 1\n'), FLUSH]],
    ['a list that is cut', [encodePacket('version 2\n'), encodePacket('ls-refs=unborn\n')]],
  ])('is not asked of an upstream that answers %s', async (_, chunks) => {
    expect(await readCapabilities(each(...chunks))).toBeUndefined();
  });

  test('may follow an answer that begins as for v0', async () => {
    const lines = ['version 2\n', 'ls-refs=unborn\n', 'fetch'].map((line) => encodePacket(line));
    const start = [encodePacket('# service=git-upload-pack\n'), FLUSH];
    const found = await readCapabilities(each(...start, ...lines, FLUSH));
    expect(found).toEqual(new Set(['ls-refs=unborn', 'fetch']));
  });
});

test('A malformed answer is refused', async () => {
  await expect(readUnbornHead(each(Buffer.from('<html>')))).rejects.toEqual(
    expect.objectContaining({ code: 'UPSTREAM_INVALID' }),
  );
});
