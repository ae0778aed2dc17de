import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execute } from '../../support/run.js';
import type { Scope } from '../scope.js';
import { cpuSecondsOfTree } from './process-tree.js';

export interface Nginx {
  readonly url: string;
  /** Of the master and its worker. */
  cpuSeconds(): Promise<number>;
}

/** Milliseconds between two attempts to connect, and how many there are. */
const START_INTERVAL = 20;
const START_ATTEMPTS = 250;

/** What nginx says that it is; `undefined` when it is not installed. */
export async function nginxVersion(): Promise<string | undefined> {
  try {
    return (await execute('nginx', ['-v'])).stderr.trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Serves the files of a directory with one worker process and sendfile. */
export async function startNginx(scope: Scope, root: string): Promise<Nginx> {
  const directory = await scope.directory();
  const port = await freePort();
  await writeFile(join(directory, 'nginx.conf'), configuration(directory, root, port));
  const args = ['-p', directory, '-e', join(directory, 'error.log'), '-c', 'nginx.conf'];
  const child = spawn('nginx', args, { stdio: ['ignore', 2, 2] });
  const exit = once(child, 'exit');
  scope.defer(async () => {
    child.kill('SIGTERM');
    await exit;
  });
  await Promise.race([
    untilListening(port),
    exit.then(() => Promise.reject(new Error('nginx did not start'))),
  ]);
  const { pid } = child;
  if (pid === undefined) throw new Error('nginx has no process');
  return { url: `http://127.0.0.1:${port}`, cpuSeconds: () => cpuSecondsOfTree(pid) };
}

function configuration(directory: string, root: string, port: number): string {
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
      server { listen 127.0.0.1:${port}; root ${root}; }
    }`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no port');
  return address.port;
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
      await delay(START_INTERVAL);
    } finally {
      socket.destroy();
    }
  }
}
