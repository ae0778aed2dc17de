/** @one-node-version */
import { join } from 'node:path';
import { encodeHeadQuery, readUnbornHead } from '../../lib/git/ls-refs.js';
import { refNameOf } from '../../lib/git/refs.js';
import { encodePacket, FLUSH } from '../support/pkt-line.js';
import { git, runBinary } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

async function askGit(repository: string): Promise<string | undefined> {
  const answer = await runBinary('git', ['upload-pack', '--stateless-rpc', repository], {
    env: { GIT_PROTOCOL: 'version=2' },
    input: encodeHeadQuery('test/1.0 (with words)'),
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

test('A malformed answer is refused', async () => {
  await expect(readUnbornHead(each(Buffer.from('<html>')))).rejects.toEqual(
    expect.objectContaining({ code: 'UPSTREAM_INVALID' }),
  );
});
