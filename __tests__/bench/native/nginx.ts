import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execute } from '../../support/run.js';
import type { Cleanup } from '../../support/temporary-directory.js';
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
  await writeFile(join(directory, 'nginx.conf'), configuration(directory, http(port)));
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

function configuration(directory: string, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  return `
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off;
    worker_processes 1;
    pid ${directory}/nginx.pid;
    events { worker_connections 1024; }
    http {
      access_log off;
      sendfile on;
      keepalive_requests 1000000;
      ${temporary.join(' ')}
      ${http}
    }`;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no port');
  return address.port;
}

/** @throws Error when nginx ends before. */
async function untilListening(port: number, ended: AbortSignal): Promise<void> {
  while (true) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (ended.aborted) throw new Error('nginx did not start', { cause: error });
      await delay(START_INTERVAL);
    } finally {
      socket.destroy();
    }
  }
}
