import { createRequire } from 'node:module';
import { messageOf } from '../errors.js';
import { EXIT, EXIT_CODE_MEANINGS, exitCodeOf } from './exit-codes.js';
import { hintFor } from './hints.js';
import { printable } from './printable.js';
import { RESTORE, restore } from './restore.js';
import { SERVE, serve } from './serve.js';
import type { Surroundings } from './surroundings.js';
import { inColumns, UsageError } from './syntax.js';

type Command = (args: readonly string[], surroundings: Surroundings) => Promise<void>;

const COMMANDS = new Map<string | undefined, Command>([
  ['restore', restore],
  ['serve', serve],
  ['--help', showHelp],
  ['-h', showHelp],
  ['--version', showVersion],
]);

/**
 * Runs the command `express-git-snapshot`. All failures are printed.
 *
 * @param args without those for node.
 * @returns the exit code.
 */
export async function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const [name, ...rest] = args;
  try {
    const command = COMMANDS.get(name);
    if (command === undefined) {
      throw new UsageError(name === undefined ? 'no command' : `there is no command ${name}`);
    }
    await command(rest, surroundings);
    return EXIT.done;
  } catch (error) {
    const { stderr } = surroundings;
    stderr.write(`express-git-snapshot: ${printable(messageOf(error))}\n`);
    const hint = hintFor(error, COMMANDS.has(name) ? name : undefined);
    if (hint !== undefined) stderr.write(`${hint}\n`);
    return exitCodeOf(error);
  }
}

async function showHelp(_args: readonly string[], { stdout }: Surroundings): Promise<void> {
  const rows = [RESTORE, SERVE].map(({ usage, summary }) => [usage, summary] as const);
  const lines = [
    'Usage: express-git-snapshot <command> [options]',
    '',
    'Commands:',
    ...inColumns(rows),
    '',
    'Options:',
    ...inColumns([
      ['-h, --help', 'shows this text; after a command, that of the command'],
      ['--version', 'shows the version'],
    ]),
    '',
    'Exit codes:',
    ...inColumns(Object.entries(EXIT_CODE_MEANINGS)),
  ];
  stdout.write(`${lines.join('\n')}\n`);
}

async function showVersion(_args: readonly string[], { stdout }: Surroundings): Promise<void> {
  const { version } = createRequire(import.meta.url)('express-git-snapshot/package.json');
  stdout.write(`${version}\n`);
}
