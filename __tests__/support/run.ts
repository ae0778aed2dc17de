import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';

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

/** What every git is told, and no repository has to have in its own config. */
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
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // The leader of a process group, which is what is killed.
    detached: options.signal !== undefined,
  });
  const kill = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  options.signal?.addEventListener('abort', kill, { once: true });
  child.once('exit', () => options.signal?.removeEventListener('abort', kill));
  if (options.signal?.aborted) kill();
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // A program may end without reading all of its input; its exit code says what that means.
  child.stdin.on('error', () => {});
  const { input = '' } = options;
  if (input instanceof Readable) input.pipe(child.stdin);
  else child.stdin.end(input);
  return Promise.all([closed, read(child.stdout), text(child.stderr)]);
}
