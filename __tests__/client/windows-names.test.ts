import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Header } from 'tar';
import { extractTar } from '../../lib/client/extract-tar.js';
import { FileSystem } from '../../lib/client/file-system.js';
import { cleanup } from '../support/temporary-directory.js';
import { onPosix } from './on-posix.js';

const { directory } = cleanup(afterEach);

function archiveOf(path: string, type: 'File' | 'Directory' | 'SymbolicLink'): Buffer {
  const blocks = Buffer.alloc(3 * 512);
  new Header({
    path,
    type,
    mode: 0o755,
    size: 0,
    linkpath: type === 'SymbolicLink' ? 'x' : '',
  }).encode(blocks);
  return blocks;
}

async function extract(
  path: string,
  type: Parameters<typeof archiveOf>[1],
  platform: NodeJS.Platform,
) {
  const target = join(await directory());
  const chunks = (async function* () {
    yield archiveOf(path, type);
  })();
  const outcome = await extractTar(chunks, target, {
    maxBytes: 1000,
    maxEntries: 1000,
    signal: undefined,
    onFile: () => {},
    onUnsupported: 'fail',
    fileSystem: new FileSystem(await FileSystem.of(target), platform),
  }).then(
    () => 'extracted',
    (error: { code: string }) => error.code,
  );
  return { outcome, names: await readdir(target) };
}

const REFUSED = [
  '..\\..\\PWNED.txt',
  'a\\b',
  'C:evil.txt',
  'file.txt:stream',
  ...['<', '>', '"', '|', '?', '*', '\t'].map((character) => `a${character}b`),
  'dot.',
  'space ',
  'dir./file',
  'sub/NUL',
  ...[
    'CON',
    'prn',
    'Aux',
    'nul.txt',
    'COM1',
    'com9.tar.gz',
    'LPT1',
    'lpt9 .txt',
    'COM\u00b9',
    'LPT\u00b3.txt',
  ],
  'CONIN$',
  'conout$.log',
];
const TAKEN = [
  'console.txt',
  'com0',
  'com10',
  'lpt',
  'nullable',
  'auxiliary/con-fig',
  '.gitignore',
  'a b',
  '..a',
];

test.each(REFUSED)(
  'On Windows, an archive with a file named %j is refused, and nothing is written',
  async (path) => {
    for (const type of ['File', 'Directory', 'SymbolicLink'] as const) {
      expect(await extract(path, type, 'win32')).toEqual({
        outcome: 'NAME_UNSUPPORTED',
        names: [],
      });
    }
  },
);

onPosix.each(REFUSED)('On Linux, a file named %j is restored', async (path) => {
  expect((await extract(path, 'File', 'linux')).outcome).toBe('extracted');
});

test.each(TAKEN)('On Windows, a file named %j is restored', async (path) => {
  const { outcome, names } = await extract(path, 'File', 'win32');
  expect([outcome, names]).toEqual(['extracted', [path.split('/')[0]]]);
});
