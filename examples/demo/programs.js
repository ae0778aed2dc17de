import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/**
 * The user's environment without git's variables, which would point git at another repository. All
 * servers are on this machine, so no proxy is used.
 */
export const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'))),
  GIT_TERMINAL_PROMPT: '0',
  NO_PROXY: '*',
  no_proxy: '*',
};

/**
 * Starts a program. When `signal` aborts, the program and its children end. It has a process group of
 * its own: Ctrl-C goes to the terminal's group, and the demo ends its programs itself.
 */
export function start(command, args, { signal, ...options } = {}) {
  const child = spawn(command, args, { detached: true, env: environment, ...options });
  const kill = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid, 'SIGTERM');
    }
  };
  signal?.addEventListener('abort', kill, { once: true });
  child.once('exit', () => signal?.removeEventListener('abort', kill));
  if (signal?.aborted) kill();
  return child;
}

/**
 * Runs a program to its end.
 *
 * @returns {Promise<string>} its standard output.
 */
export async function run(command, args, { input, signal, ...options } = {}) {
  const child = start(command, args, { signal, stdio: ['pipe', 'pipe', 'pipe'], ...options });
  const ended = new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(error.code === 'ENOENT' ? new Error(`${command} is not installed`) : error);
    });
    child.once('close', resolve);
  });
  child.stdin.on('error', () => {}); // the exit code tells why it did not read on
  if (input === undefined) child.stdin.end();
  else input.pipe(child.stdin);
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  signal?.throwIfAborted();
  if (code !== 0) throw new Error(`${command} ${args[0]} failed: ${stderr.trim()}`);
  return stdout;
}

/** Whether a program can be started. */
export async function isInstalled(command) {
  try {
    await run(command, ['--version']);
    return true;
  } catch {
    return false;
  }
}
