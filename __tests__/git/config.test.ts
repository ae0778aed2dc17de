/** @one-node-version */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { quoteConfigValue } from '../../lib/git/config.js';
import { runBinary } from '../support/run.js';
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
