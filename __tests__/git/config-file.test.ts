import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigFile } from '../../lib/git/config-file.js';
import { runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const EDITED = `\ufeff# a comment
[core] bare = false ; another
\tfileMode
  autocrlf=  input\t
[remote "Ori\\"gin\\\\"]
	url = "https://example.org/a b#c" # quoted
	fetch = +refs/heads/*:"refs/remotes/origin/*"
	note = one \\
  two\\tthree "  kept  "  ;dropped
[branch.old]
merge = refs/heads/a;b
[Section]
	empty =
	last = no line break`;

test('A config that a person has edited is read as git reads it', async () => {
  const file = join(await directory(), 'config');
  await writeFile(file, EDITED);
  const listed = await runBinary('git', ['config', '--file', file, '--list', '-z']);
  const config = new ConfigFile(Buffer.from(EDITED).toString('latin1'));
  const entries = listed
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
    .map((entry) => /^([^\n]*)(?:\n(.*))?$/s.exec(entry) ?? []);
  expect(entries.length).toBe(9);
  expect(config.keys).toEqual(entries.map(([, key]) => key));
  for (const [, key = '', value] of entries) expect([key, config.text(key)]).toEqual([key, value]);
});

test.each([
  ['a', true],
  ['a = yes', true],
  ['a = 1', true],
  ['a = OFF', false],
  ['a =', false],
  ['a = input', 'fallback'],
  ['b', 'fallback'],
])('The boolean of "%s" is %s', (line, expected) => {
  const config = new ConfigFile(`[core]\n\t${line}\n`);
  const values = [config.boolean('core.a', false), config.boolean('core.a', true)];
  expect(values).toEqual(expected === 'fallback' ? [false, true] : [expected, expected]);
});

test.each(['a = 1\n', '[core\n', '[core]\n\ta = "1\n', '[core]\n\ta = \\x\n', '[core]\n=\n'])(
  'A malformed config is refused: %j',
  (text) => expect(() => new ConfigFile(text)).toThrow(SyntaxError),
);
