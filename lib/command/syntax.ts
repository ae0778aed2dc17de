import { parseArgs } from 'node:util';
import { hasCode } from '../errors.js';

/** An option of a command line, with its part of the help. */
export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** Of the value of a `string`, in the help. */
  readonly value?: string;
  readonly text: string;
}

type CommandOptions = Readonly<Record<string, CommandOption>>;

export interface Syntax<Options extends CommandOptions = CommandOptions> {
  /** Such as `restore <url> <directory>`. */
  readonly usage: string;
  /** One sentence. */
  readonly summary: string;
  readonly details: string;
  readonly options: Options;
  /** Rows of the help: name, text. */
  readonly variables: Readonly<Record<string, string>>;
}

/** The command line or an environment variable is wrong. The message says why, without secrets. */
export class UsageError extends Error {}

export const HELP = { type: 'boolean', short: 'h', text: 'shows this text' } as const;

type Config<Options extends CommandOptions> = {
  args: string[];
  options: Options;
  allowPositionals: true;
};

/** @throws UsageError */
export function parse<const Options extends CommandOptions>(
  { options }: Syntax<Options>,
  args: readonly string[],
): ReturnType<typeof parseArgs<Config<Options>>> {
  try {
    return parseArgs<Config<Options>>({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // The rest of Node's messages is about arguments that begin with a dash.
    if (hasCode(error)) throw new UsageError(error.message.replace(/\. To specify.*/s, ''));
    throw error;
  }
}

export function helpOf({ usage, summary, details, options, variables }: Syntax): string {
  const rows = Object.entries(options).map(([name, { short, value, text }]) => {
    const argument = value === undefined ? '' : ` <${value}>`;
    return [`${short === undefined ? '' : `-${short}, `}--${name}${argument}`, text] as const;
  });
  return [
    `Usage: express-git-snapshot ${usage} [options]`,
    '',
    summary,
    details,
    '',
    'Options:',
    ...inColumns(rows),
    '',
    'Environment:',
    ...inColumns(Object.entries(variables)),
    '',
  ].join('\n');
}

export function inColumns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
