/** @needs tar */
import { lstat, open, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { END_OF_ARCHIVE, encodeTarHeader, type TarEntry } from '../../lib/archive/tar.js';
import { padding } from '../../lib/archive/tar-format.js';
import { run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const MTIME = 1_700_000_123;

const latin1 = (text: string) => Buffer.from(text).toString('latin1');
const file = (path: string, content = ''): [TarEntry, Buffer] => {
  const bytes = Buffer.from(content);
  return [{ path, kind: 'file', mode: 0o644, size: bytes.length, mtime: MTIME }, bytes];
};
const link = (path: string, target: string): [TarEntry, Buffer] => {
  return [{ path, kind: 'symlink', mode: 0o777, size: 0, mtime: MTIME, target }, Buffer.alloc(0)];
};

let scratch: string;

beforeEach(async () => {
  scratch = await directory();
});

function archive(entries: readonly [TarEntry, Buffer][]): Buffer {
  const parts = entries.flatMap(([entry, content]) => [
    encodeTarHeader(entry),
    content,
    Buffer.alloc(padding(content.length)),
  ]);
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

async function extract(entries: readonly [TarEntry, Buffer][]): Promise<(path: string) => Buffer> {
  const input = archive(entries);
  await run('tar', ['-xpf', '-', '--no-same-owner', '-C', scratch], { input });
  return (path) => Buffer.concat([Buffer.from(`${scratch}/`), Buffer.from(path, 'latin1')]);
}

/** Path segments of 1 to 255 bytes of a path of `bytes` bytes. */
function longPath(bytes: number, segment: string): string {
  let path = './';
  while (path.length < bytes) {
    const name = segment.repeat(200).slice(0, Math.min(200, bytes - path.length));
    path += bytes - path.length - name.length > 1 ? `${name}/` : name;
  }
  return path.slice(0, bytes).replace(/\/$/, 'x');
}

const NAMES = [
  ...[
    './plain',
    './with space',
    './ ',
    './new\nline',
    './tab\t',
    './back\\slash',
    './*?[a]',
    './-rf',
    './"quoted"',
  ],
  ...['./#', './.hidden', './...', './\x01\x7f'],
  ...['é', '名前', '🚀', 'cafe\u0301', 'ﬁ'].map((name) => latin1(`./${name}`)),
  ...['./caf\xe9', './\xff\xfe', './\xc3', './\xe9t\xe9 \n\\', `./\xe9${'n'.repeat(254)}`],
  ...[97, 98, 99, 100, 101, 154, 155, 156, 253].map((n) => `./${'n'.repeat(n)}`),
  ...[120, 126, 127, 128].map((n) => latin1(`./${'é'.repeat(n - 1)}`)),
];
const LONG = [256, 257, 258, 300, 1000, 2000].flatMap((bytes) => [
  longPath(bytes, 'long'),
  longPath(bytes, latin1('é')),
  longPath(bytes, '\xe9\xe8'),
]);

describe('GNU tar unpacks', () => {
  test('files of any name', async () => {
    const paths = [...new Set([...NAMES, ...LONG])];
    const entries = paths.map((path, i) => file(path, `content ${i}`));
    const place = await extract(entries);
    for (const [entry, content] of entries) {
      expect([entry.path, await readFile(place(entry.path))]).toEqual([entry.path, content]);
    }
  });

  test('directories of any name, with a slash at their end', async () => {
    const paths = ['./', ...NAMES, ...LONG].map((path) => path.replace(/\/?$/, '/'));
    const place = await extract(
      paths.map((path) => [
        { path, kind: 'directory', mode: 0o755, size: 0, mtime: MTIME },
        Buffer.alloc(0),
      ]),
    );
    for (const path of paths) expect((await lstat(place(path))).isDirectory()).toBe(true);
  });

  test('links with targets of any bytes', async () => {
    const targets = [
      ...['../up', '/absolute', 'with space', 'new\nline', 'trailing/', '.', 'a//b'],
      ...['é', '名前/ファイル'].map(latin1),
      ...['\xff', 'caf\xe9', `${'d/'.repeat(50)}caf\xe9`, `\xe9${'/d'.repeat(600)}`],
      ...[99, 100, 101, 255, 1000, 4095].map((n) => 't'.repeat(n)),
      ...[50, 51, 2047].map((n) => latin1('é'.repeat(n))),
    ];
    const paths = [
      './short',
      './caf\xe9',
      `./${'n'.repeat(150)}`,
      `./\xe9${'n'.repeat(150)}`,
      latin1('./é'),
    ];
    const entries = paths.flatMap((path) =>
      targets.map((target, i) => link(`${path}${i}`, target)),
    );
    const place = await extract(entries);
    for (const [{ path, target }] of entries) {
      const found = await readlink(place(path), { encoding: 'buffer' });
      expect([path, found.toString('latin1')]).toEqual([path, target]);
    }
  });

  test('files with sizes around a block, with their modes and times', async () => {
    const sizes = [0, 1, 511, 512, 513, 1023, 1024];
    const entries = sizes.map((size) => file(`./${size}`, 'x'.repeat(size)));
    const times = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
    const modes = [0o444, 0o644, 0o755];
    const more = times.flatMap((mtime) =>
      modes.map((mode): [TarEntry, Buffer] => {
        const path = `./${mtime}-${mode}`;
        return [{ path, kind: 'file', mode, size: 0, mtime }, Buffer.alloc(0)];
      }),
    );
    const place = await extract([...entries, ...more]);
    for (const [{ path, size, mode, mtime }] of [...entries, ...more]) {
      const stats = await lstat(place(path));
      expect([path, stats.size, stats.mode & 0o7777, stats.mtimeMs]).toEqual([
        path,
        size,
        mode,
        mtime * 1000,
      ]);
    }
  });
});

test('GNU tar lists files of more than 8 GiB', async () => {
  const sizes = [8 * 2 ** 30 - 1, 8 * 2 ** 30, 8 * 2 ** 30 + 1, 2 ** 36];
  const names = ['./plain', './caf\xe9', `./${'n'.repeat(200)}`, `./\xe9${'n'.repeat(200)}`];
  const path = join(scratch, 'sparse.tar');
  await writeFile(path, '');
  const sparse = await open(path, 'r+');
  let at = 0;
  const listed: string[] = [];
  for (const [i, name] of names.entries()) {
    const size = sizes[i] ?? 0;
    const header = encodeTarHeader({ path: name, kind: 'file', mode: 0o644, size, mtime: MTIME });
    await sparse.write(header, 0, header.length, at);
    at += header.length + size + padding(size);
    listed.push(`${size} ${name}`);
  }
  await sparse.truncate(at + END_OF_ARCHIVE.length);
  await sparse.close();
  const output = await runBinary('tar', [
    '-tvf',
    path,
    '--quoting-style=literal',
    '--numeric-owner',
  ]);
  const lines = output.toString('latin1').trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/^\S+ 0\/0 +(\d+) \S+ \S+ /, '$1 '))).toEqual(listed);
});

test('An archive names no user, group or machine', () => {
  for (const [entry] of [
    file('./plain'),
    file('./caf\xe9'),
    link(latin1('./é'), 't'.repeat(200)),
  ]) {
    const header = encodeTarHeader(entry);
    expect(header.length % 512).toBe(0);
    for (let at = 0; at < header.length; at += 512) {
      if (header.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
      const field = (from: number, length: number) =>
        header.toString('latin1', at + from, at + from + length).replace(/[\0 ]/g, '');
      expect([field(108, 8), field(116, 8)].join('')).toMatch(/^0*$/);
      expect([field(265, 32), field(297, 32)]).toEqual(['', '']);
    }
    expect(encodeTarHeader(entry)).toEqual(header);
  }
});
