/** @one-node-version */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { configKeys } from '../../lib/git/config-keys.js';
import { quoteConfigValue } from '../../lib/git/encode-config.js';
import { execute, git, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const NOTABLE = [
  ...[
    '',
    ' ',
    '\t',
    ' a',
    'a ',
    '\ta\t',
    'a  b',
    'a\tb',
    '\\',
    '\\\\',
    'a\\',
    '\\n',
    '\\t',
    '"',
    '""',
    'a"b',
  ],
  ...[
    '"quoted"',
    "'",
    '#',
    ';',
    'a#b',
    'a;b',
    'a # b',
    '=',
    '[section]',
    'true',
    '\u00a0',
    '\u3000x',
    '名前',
  ],
  ...[
    'https://git.example/org/re po.git',
    'refs/heads/a;b"c',
    'C:\\new\\table',
    '$HOME',
    '~/x',
    '\x01',
    '\x7f',
  ],
];

test('git config reads every value as it was written', async () => {
  const character = fc.constantFrom(...' \t"\\;#=[]ab\'né\u00a0\x0b\x0c');
  const values = fc.sample(fc.string({ unit: character, maxLength: 12 }), {
    numRuns: 500,
    seed: 1,
  });
  const all = [...NOTABLE, ...values];
  const file = join(await directory(), 'config');
  const lines = all.map((value) => `\tkey = ${quoteConfigValue(value)}\n`);
  await writeFile(file, `[section]\n${lines.join('')}`);
  const output = await runBinary('git', [
    'config',
    '--file',
    file,
    '-z',
    '--get-all',
    'section.key',
  ]);
  expect(output.toString().split('\0').slice(0, -1)).toEqual(all);
});

/** As git reads them; `undefined` for a file that it can't read. */
async function keysOfGit(file: string): Promise<string[] | undefined> {
  const list = ['config', '--file', file, '--no-includes', '--list', '--name-only', '-z'];
  const { code, stdout } = await execute('git', list);
  return code === 0 ? stdout.split('\0').slice(0, -1) : undefined;
}

test("The keys of what git's clone writes are those that git reads", async () => {
  const root = await directory();
  const [upstream, clone] = [join(root, 'up stream;#"'), join(root, 'clone')];
  await git('.', 'init', '--quiet', '--bare', '--initial-branch=a"b;#]c', upstream);
  await git('.', 'clone', '--quiet', upstream, clone);
  const file = join(clone, '.git/config');
  const keys = configKeys(await readFile(file, 'latin1'));
  expect(keys?.length).toBeGreaterThan(7);
  expect(keys?.map(unescaped)).toEqual(await keysOfGit(file));
});

test('No config has a key for git that is not among those that were found', async () => {
  const piece = fc.constantFrom(
    ...[
      '[core]',
      '[a "b"]',
      '[a "b\\"]',
      '[a "\\""]',
      '[a.b]',
      '[',
      ']',
      '"',
      '\\',
      '\\\\',
      '\\n',
      '#',
      ';',
    ],
    ...[
      '\n',
      '\n\t',
      '\n\t',
      '\r',
      '\r\n',
      '\t',
      ' ',
      ' = ',
      '=',
      'bare',
      'pager',
      'x',
      '\0',
      '\xef\xbb\xbf',
    ],
    ...['[core]\n\tbare = x\n', '\tbare = false\n', '\tpager = "x', 'y"\n', '\tname = \\\n'],
  );
  const texts = fc.sample(
    fc.array(piece, { maxLength: 8 }).map((pieces) => `[core]\n\tbare = ${pieces.join('')}\n`),
    { numRuns: 1000, seed: 7 },
  );
  const file = join(await directory(), 'config');
  let accepted = 0;
  for (const text of texts) {
    const keys = configKeys(text);
    if (keys === undefined) continue;
    await writeFile(file, text, 'latin1');
    const read = await keysOfGit(file);
    if (read === undefined) continue;
    accepted++;
    expect([text, read]).toEqual([text, keys.map(unescaped)]);
  }
  expect(accepted).toBeGreaterThan(20);
});

function unescaped(key: string): string {
  return key.replace(/\\(.)/g, '$1');
}
