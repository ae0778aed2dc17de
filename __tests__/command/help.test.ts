import { RESTORE } from '../../lib/command/restore.js';
import { SERVE } from '../../lib/command/serve.js';
import { codeSpans, readPage, readTable } from '../docs/markdown.js';
import { readManifest } from '../package/packed-package.js';
import { runCommand } from './command-run.js';

describe.each([
  ['restore', RESTORE],
  ['serve', SERVE],
])('The help of %s', (name, { options, variables }) => {
  test('is printed by --help and -h, and fits into 100 columns', async () => {
    const outcome = await runCommand([name, '--help']);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await runCommand([name, 'surplus', '-h'])).toEqual(outcome);
    for (const line of outcome.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  test('and the page of the command have the same options and variables', async () => {
    const { rows } = await readTable('docs/command.md', name);
    const names = rows.flatMap(([cell = '']) => codeSpans(cell));
    const optionNames = Object.keys(options).map((option) => `--${option}`);
    const variableNames = Object.keys(variables).flatMap((row) => row.split(', '));
    const documented = names.map((span) => span.replace(/[ <].*/, ''));
    const isLong = (span: string) => !/^-\w$/.test(span);
    expect(documented.filter(isLong).sort()).toEqual([...optionNames, ...variableNames].sort());
  });
});

test('The help lists the commands, and the exit codes as the page of the command does', async () => {
  const { exitCode, stdout, stderr } = await runCommand(['--help']);
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toContain(`  ${RESTORE.usage}  `);
  expect(stdout).toContain(`  ${SERVE.usage}  `);
  const { rows } = await readTable('docs/command.md', 'Exit codes');
  for (const [code = ''] of rows) expect(stdout).toContain(`\n  ${codeSpans(code)[0]} `);
  expect(rows).toHaveLength(7);
});

test('--version prints the version of the package', async () => {
  const { version } = await readManifest();
  expect(await runCommand(['--version'])).toEqual({
    exitCode: 0,
    stdout: `${version}\n`,
    stderr: '',
  });
});

test.each([
  [[], 'no command'],
  [['restor'], 'there is no command restor'],
  [['toString'], 'there is no command toString'],
])('The arguments %j fail, and the message points to the help', async (args, message) => {
  expect(await runCommand(args)).toEqual({
    exitCode: 2,
    stdout: '',
    stderr: `express-git-snapshot: ${message}\nSee express-git-snapshot --help\n`,
  });
});

test('The README shows both commands', async () => {
  const page = await readPage('README.md');
  for (const name of ['restore', 'serve']) expect(page).toContain(`express-git-snapshot ${name}`);
});
