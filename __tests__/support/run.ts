import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { startProgram } from './program-start.js';

export interface RunOptions {
  cwd?: string;
  /** Added to the clean environment; `undefined` removes a variable. */
  env?: Record<string, string | undefined>;
  /** Standard input. Default: none. */
  input?: string | Uint8Array | Readable;
  /** Kills the program with all that it started. */
  signal?: AbortSignal;
}

export interface Outcome {
  /** `null` when a signal ended the program. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The configuration of every git program, so that no repository needs it in its own config. */
const GIT_CONFIG: Record<string, string> = {
  'advice.detachedHead': 'false',
  'core.fsync': 'none',
  'gc.auto': '0',
  'init.defaultBranch': 'main',
  'maintenance.auto': 'false',
  'pull.ff': 'only',
  'safe.directory': '*',
};

/**
 * The environment of every program that a test starts: nothing of the user's config, proxies or
 * credentials, English messages, one identity and one date, so that commits are reproducible.
 */
export function cleanEnvironment(): Record<string, string | undefined> {
  const settings = Object.entries(GIT_CONFIG).flatMap(([key, value], i) => [
    [`GIT_CONFIG_KEY_${i}`, key],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ]);
  return {
    PATH: process.env.PATH,
    TMPDIR: process.env.TMPDIR,
    // Programs that ask Node for a cache of compiled code would leave it among the temporary files.
    NODE_DISABLE_COMPILE_CACHE: '1',
    HOME: '/nonexistent',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_COUNT: String(Object.keys(GIT_CONFIG).length),
    ...Object.fromEntries(settings),
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Ada Author',
    GIT_AUTHOR_EMAIL: 'ada@example.com',
    GIT_AUTHOR_DATE: '1700000000 +0000',
    GIT_COMMITTER_NAME: 'Carl Committer',
    GIT_COMMITTER_EMAIL: 'carl@example.com',
    GIT_COMMITTER_DATE: '1700000000 +0000',
  };
}

/** Runs a program to its end and tells how it ended; rejects only when it could not be run. */
export async function execute(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const [code, stdout, stderr] = await collect(command, args, options, text);
  return { code, stdout, stderr };
}

/** Runs a program and gives its standard output; rejects with its standard error when it fails. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await execute(command, args, options);
  if (code !== 0) throw new RunError(command, args, code, stderr);
  return stdout;
}

/** As `run`, for output that is not text. */
export async function runBinary(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Buffer> {
  const [code, stdout, stderr] = await collect(command, args, options, buffer);
  if (code !== 0) throw new RunError(command, args, code, stderr);
  return stdout;
}

/** Runs git in a directory and gives its output without the last line feed. */
export async function git(directory: string, ...args: string[]): Promise<string> {
  return (await run('git', args, { cwd: directory })).replace(/\n$/, '');
}

export class RunError extends Error {
  constructor(
    command: string,
    args: readonly string[],
    readonly code: number | null,
    readonly stderr: string,
  ) {
    super(`${[command, ...args].join(' ').slice(0, 500)} ended with ${code}: ${stderr.trim()}`);
  }
}

async function collect<T>(
  command: string,
  args: readonly string[],
  options: RunOptions,
  read: (stream: Readable) => Promise<T>,
): Promise<[code: number | null, stdout: T, stderr: string]> {
  const { signal, input = '' } = options;
  const env = { ...cleanEnvironment(), ...options.env };
  const program = startProgram({ command, args, cwd: options.cwd, env });
  signal?.addEventListener('abort', program.kill, { once: true });
  if (signal?.aborted) program.kill();
  const { closed } = program;
  closed.catch(() => {}).finally(() => signal?.removeEventListener('abort', program.kill));
  // A program may end without reading all of its input; its exit code says what that means.
  program.stdin.on('error', () => {});
  if (input instanceof Readable) input.pipe(program.stdin);
  else program.stdin.end(input);
  return Promise.all([closed, read(program.stdout), text(program.stderr)]);
}
