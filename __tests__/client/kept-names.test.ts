import { encodeTarHeader } from '../../lib/archive/tar.js';
import { extractTar } from '../../lib/client/extract-tar.js';
import { FileSystem } from '../../lib/client/file-system.js';
import { cleanup } from '../support/temporary-directory.js';

/** Names that the client keeps in memory until the end of an archive: a few kB can unpack to gigabytes of them. */

const { directory } = cleanup(afterEach);
const MIB = 1024 * 1024;

function symlink(path: string, target: string): Buffer {
  return encodeTarHeader({ path, kind: 'symlink', mode: 0o777, size: 0, mtime: 1, target });
}

/** A member that says more about the next one. */
function longHeader(type: 'K' | 'L' | 'x', body: string): Buffer {
  const file = { path: './x', kind: 'file', mode: 0o644, size: body.length, mtime: 1 } as const;
  const header = encodeTarHeader(file);
  header.write(type, 156, 'latin1');
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, Buffer.from(body), Buffer.alloc(-body.length & 511)]);
}

function record(keyword: string, value: string): string {
  const content = ` ${keyword}=${value}\n`;
  let length = content.length;
  while (`${length}${content}`.length !== length) length++;
  return `${length}${content}`;
}

/** @returns why it was refused, and how many members had been taken by then. */
async function refusal(members: number, member: (n: number) => Buffer) {
  let taken = 0;
  async function* archive() {
    while (taken < members) yield member(taken++);
  }
  const target = await directory();
  const code = await extractTar(archive(), target, {
    maxBytes: 2 ** 40,
    maxEntries: 1e7,
    onUnsupported: 'fail',
    fileSystem: await FileSystem.of(target),
    signal: undefined,
    onFile: () => {},
  }).then(
    () => 'nothing',
    (error: { code: string }) => error.code,
  );
  return { code, taken };
}

describe('An archive is refused at once for', () => {
  const link = (n: number) => symlink(`./l${n}`, 'x');
  test.each<[string, (n: number) => Buffer]>([
    [
      'a target in a GNU header that no link can have',
      (n) => Buffer.concat([longHeader('K', 't'.repeat(5000)), link(n)]),
    ],
    [
      'a target in a pax header that no link can have',
      (n) => Buffer.concat([longHeader('x', record('linkpath', 't'.repeat(4096))), link(n)]),
    ],
    ['a GNU header of 1 MiB', (n) => Buffer.concat([longHeader('K', 't'.repeat(MIB)), link(n)])],
    [
      'a name in a GNU header that no link can have',
      (n) => Buffer.concat([longHeader('L', 'n'.repeat(5000)), link(n)]),
    ],
    [
      'a pax header of thousands of records',
      (n) => Buffer.concat([longHeader('x', record('a', '').repeat(5000)), link(n)]),
    ],
  ])('%s', async (_, member) => {
    expect(await refusal(20, member)).toEqual({ code: 'ARCHIVE_INVALID', taken: 1 });
  });
});

test('An archive is refused when its links and directories have 256 MiB of paths and targets', async () => {
  const bytes = 4000;
  const target = longHeader('K', 't'.repeat(bytes));
  const below = `./${`${'d'.repeat(249)}/`.repeat(3)}`;
  const { code, taken } = await refusal(100_000, (n) => {
    if (n % 100 > 0) return Buffer.concat([target, symlink(`./l${n}`, 'x')]);
    const path = `${below}${'d'.repeat(200)}${n}/`;
    return encodeTarHeader({ path, kind: 'directory', mode: 0o755, size: 0, mtime: 1 });
  });
  expect(code).toBe('LIMIT_EXCEEDED');
  expect(taken * bytes).toBeGreaterThan(250 * MIB);
  expect(taken * bytes).toBeLessThan(258 * MIB);
});
