/** @one-node-version */
import { join } from 'node:path';
import { parseCommit, parseTagTarget } from '../../lib/git/commit.js';
import { git, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const PARENT = '1'.repeat(40);
const AUTHOR = 'author A <a@example.com> 1600000000 +0000';
const malformed = expect.objectContaining({ name: 'SnapshotError', code: 'UPSTREAM_INVALID' });

let repository: string;

beforeEach(async () => {
  repository = join(await directory(), 'commits.git');
  await git('.', 'init', '--quiet', '--bare', repository);
  await run('git', ['hash-object', '-w', '-t', 'tree', '--stdin'], { cwd: repository });
});

async function store(type: string, body: string): Promise<string> {
  const args = ['hash-object', '-w', '--stdin', '--literally', '-t', type];
  return (await run('git', args, { cwd: repository, input: Buffer.from(body, 'latin1') })).trim();
}

const commit = (committer: string, rest = '\nmessage\n') =>
  `tree ${TREE}\n${AUTHOR}\n${committer}\n${rest}`;
const COMMITTER = 'committer C <c@example.com> 1700000000';

function read(body: string) {
  const { tree, parents, committedAt } = parseCommit(Buffer.from(body, 'latin1'));
  const ids = parents.map((parent) => parent.toString('hex'));
  return { tree: tree.toString('hex'), parents: ids, committedAt };
}

describe('A commit object', () => {
  test.each<[string, string]>([
    ['a usual one', commit(`${COMMITTER} +0100`)],
    ['no message', commit(`${COMMITTER} +0100`, '\n')],
    ['an odd time zone', commit(`${COMMITTER} -051800`)],
    ['the epoch', commit('committer C <c@example.com> 0 +0000')],
    ['far in the future', commit('committer C <c@example.com> 99999999999 +0000')],
    ['a name that is not UTF-8', commit('committer C\xe9 <c@example.com> 1700000000 +0000')],
    ['a name with brackets', commit('committer C <C> <c@example.com> 1700000000 +0000')],
    ['no name', commit('committer  <> 1700000000 +0000')],
    [
      'parents',
      `tree ${TREE}\nparent ${PARENT}\nparent ${PARENT}\n${AUTHOR}\n${COMMITTER} +0000\n\nx\n`,
    ],
    ['a signature', commit(`${COMMITTER} +0000`, 'gpgsig -----BEGIN\n x\n \n y\n -----END\n\nm\n')],
    [
      'a merged tag with a committer of its own',
      commit(`${COMMITTER} +0000`, `mergetag object ${TREE}\n committer X <x> 5 +0000\n\nm\n`),
    ],
    ['ids in upper case', commit(`${COMMITTER} +0000`).replace(TREE, TREE.toUpperCase())],
    ['a committer in the message', commit(`${COMMITTER} +0000`, '\ncommitter X <x> 5 +0000\n')],
  ])('is read as git reads it: %s', async (_, body) => {
    const oid = await store('commit', body);
    const format = '--format=%T %ct %P';
    const log = await git(repository, 'log', '-1', '--no-walk', format, oid);
    const [tree, date, ...parents] = log.trim().split(' ');
    expect(read(body)).toEqual({ tree, parents, committedAt: Number(date) });
  });

  test.each([
    ['no committer', `tree ${TREE}\n${AUTHOR}\n\nmessage\n`],
    ['no date', commit('committer C <c@example.com>')],
    ['a date that is no number', commit('committer C <c@example.com> yesterday +0000')],
    ['only a committer in the message', `tree ${TREE}\n${AUTHOR}\n\n${COMMITTER} +0000\n`],
  ])('without a date counts as made at the epoch: %s', (_, body) => {
    expect(read(body)).toEqual({ tree: TREE, parents: [], committedAt: 0 });
  });

  test.each([
    '',
    'tree',
    `tree ${TREE}`,
    `tree ${TREE.slice(1)}\n`,
    `parent ${TREE}\n`,
    ` tree ${TREE}\n`,
  ])('is refused when it is %j', (body) => {
    expect(() => parseCommit(Buffer.from(body))).toThrow(malformed);
  });

  test('with a header of megabytes is read in linear time', () => {
    for (const end of ['', '>', '>\n']) {
      const endless = `tree ${TREE}\n${AUTHOR}\ncommitter ${'> 1 '.repeat(1_000_000)}${end}`;
      expect(read(endless)).toEqual({ tree: TREE, parents: [], committedAt: 0 });
    }
  });
});

describe('A tag object', () => {
  test('is read as git reads it', async () => {
    const body = `object ${TREE}\ntype tree\ntag v1\ntagger T <t@example.com> 1 +0000\n\nm\n`;
    const oid = await store('tag', body);
    expect(await git(repository, 'rev-parse', `${oid}^{}`)).toBe(parseTagTarget(Buffer.from(body)));
  });

  test.each([
    '',
    'object',
    `object ${TREE}`,
    `object ${TREE.slice(1)}\n`,
    `type tree\nobject ${TREE}\n`,
  ])('is refused when it is %j', (body) => {
    expect(() => parseTagTarget(Buffer.from(body))).toThrow(malformed);
  });
});
