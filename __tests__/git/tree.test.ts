/** @one-node-version */
import { join } from 'node:path';
import { parseTree } from '../../lib/git/tree.js';
import { treeBody } from '../support/object-id.js';
import { execute, git, run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const OID = '0123456789abcdef0123456789abcdef01234567';
const malformed = expect.objectContaining({ name: 'SnapshotError', code: 'UPSTREAM_INVALID' });

let repository: string;

beforeEach(async () => {
  repository = join(await directory(), 'trees.git');
  await git('.', 'init', '--quiet', '--bare', repository);
});

/** Stores a tree as it is, however wrong. */
async function store(body: Uint8Array): Promise<string> {
  const args = ['hash-object', '-w', '--stdin', '--literally', '-t', 'tree'];
  return (await run('git', args, { cwd: repository, input: body })).trim();
}

/** The entries of a tree as git reads them: `mode oid name`. */
async function listWithGit(body: Uint8Array): Promise<string[]> {
  const args = ['ls-tree', '-z', await store(body)];
  const output = await runBinary('git', args, { cwd: repository });
  return output
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
    .map((line) => line.replace(/^(\d+) \w+ (\w+)\t/, '$1 $2 '));
}

const MODES = { directory: '040000', symlink: '120000', gitlink: '160000' };

function list(body: Buffer): string[] {
  return [...parseTree(body)].map(({ kind, executable, oid, name }) => {
    const mode = kind === 'file' ? (executable ? '100755' : '100644') : MODES[kind];
    return `${mode} ${oid} ${name}`;
  });
}

describe('A tree is read as git reads it:', () => {
  test.each([
    ...['100644', '100755', '100664', '100600', '100777', '100000', '100444', '100001', '100100'],
    ...[
      '0100644',
      '00000100755',
      '40000',
      '040000',
      '40755',
      '0040000',
      '120000',
      '120777',
      '160000',
    ],
    ...[
      '0',
      '644',
      '777',
      '140000',
      '60000',
      '10000',
      '20000',
      '170000',
      '177777',
      '200000',
      '1100644',
    ],
  ])('mode %s', async (mode) => {
    const body = treeBody([[mode, 'name', OID]]);
    expect(list(body)).toEqual(await listWithGit(body));
  });

  test('names of any bytes, in any order', async () => {
    const names = [
      'z',
      'a',
      ' leading',
      'new\nline',
      'tab\t',
      '.git',
      '..',
      'a/b',
      'caf\u00e9',
      '名前',
      'x'.repeat(5000),
    ];
    const body = Buffer.concat([
      treeBody(names.map((name): [string, string, string] => ['100644', name, OID])),
      Buffer.concat([Buffer.from('100644 '), Buffer.of(0xff, 0xfe, 0), Buffer.from(OID, 'hex')]),
    ]);
    expect(list(body)).toEqual(await listWithGit(body));
  });

  test('ids that hold spaces and NULs', async () => {
    const body = treeBody([
      ['100644', 'a', '00'.repeat(20)],
      ['100644', 'b', '20'.repeat(20)],
      ['100644', 'c', '0020'.repeat(10)],
    ]);
    expect(list(body)).toEqual(await listWithGit(body));
  });

  test('no entries', () => {
    expect([...parseTree(Buffer.alloc(0))]).toEqual([]);
  });
});

describe('A tree that git refuses is refused:', () => {
  const sound = treeBody([['100644', 'name', OID]]);

  test.each<[string, Buffer]>([
    ['no mode', treeBody([['', 'name', OID]])],
    ['a mode that is not octal', treeBody([['100648', 'name', OID]])],
    ['a mode with a sign', treeBody([['-100644', 'name', OID]])],
    ['no name', treeBody([['100644', '', OID]])],
    ['no space', Buffer.from(`100644name\0${OID}`)],
    ['a short id', treeBody([['100644', 'name', OID.slice(2)]])],
    ['bytes after the last entry', Buffer.concat([sound, Buffer.from('1')])],
    ['text', Buffer.from('this is no tree at all, but long enough for one')],
  ])('%s', async (_, body) => {
    const oid = await store(body);
    expect((await execute('git', ['ls-tree', oid], { cwd: repository })).code).not.toBe(0);
    expect(() => [...parseTree(body)]).toThrow(malformed);
  });

  test('any tree that is cut off', () => {
    for (let length = 1; length < sound.length; length++) {
      expect(() => [...parseTree(sound.subarray(0, length))]).toThrow(malformed);
    }
  });
});
