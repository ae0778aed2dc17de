import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execute } from '../../support/run.js';
import type { Cleanup } from '../../support/temporary-directory.js';
import { freePort, nginxConfig, takesConnections } from '../../support/web-server.js';
import { cpuSecondsOfTree } from './process-tree.js';

export interface Nginx {
  readonly url: string;
  /** Of the master and its worker. */
  cpuSeconds(): Promise<number>;
}

/** Milliseconds between two attempts to connect. */
const START_INTERVAL = 20;

/** The version of nginx; `undefined` when it is not installed. */
export async function nginxVersion(): Promise<string | undefined> {
  try {
    return (await execute('nginx', ['-v'])).stderr.trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Starts nginx with one worker process on a free port.
 *
 * @param http makes the content of the block `http`. Its server listens on the port.
 */
export async function startNginx(scope: Cleanup, http: (port: number) => string): Promise<Nginx> {
  const directory = await scope.directory();
  const port = await freePort();
  await writeFile(join(directory, 'nginx.conf'), nginxConfig(directory, http(port)));
  const args = ['-p', directory, '-e', join(directory, 'error.log'), '-c', 'nginx.conf'];
  const child = spawn('nginx', args, { stdio: ['ignore', 2, 2] });
  const ended = new AbortController();
  const exit = once(child, 'exit');
  child.once('close', () => ended.abort());
  scope.defer(async () => {
    child.kill('SIGTERM');
    await exit;
  });
  await untilListening(port, ended.signal);
  const { pid } = child;
  if (pid === undefined) throw new Error('nginx has no process');
  return { url: `http://127.0.0.1:${port}`, cpuSeconds: () => cpuSecondsOfTree(pid) };
}

/** @throws Error when nginx ends before. */
async function untilListening(port: number, ended: AbortSignal): Promise<void> {
  while (!(await takesConnections(port))) {
    if (ended.aborted) throw new Error('nginx did not start');
    await delay(START_INTERVAL);
  }
}
