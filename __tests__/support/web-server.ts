import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startProgram } from './program-start.js';
import type { Cleanup } from './temporary-directory.js';

/** Milliseconds between two attempts to connect. */
const START_INTERVAL = 20;

/**
 * Starts nginx with one worker process.
 *
 * @param server directives of its only server.
 * @returns its URL.
 */
export async function startNginx(
  { directory, defer }: Cleanup,
  server: string,
): Promise<{ url: string; readErrors: () => Promise<string> }> {
  const path = await directory();
  const port = await freePort();
  const config = join(path, 'nginx.conf');
  const http = `server { listen 127.0.0.1:${port}; ${server} }`;
  await writeFile(config, nginxConfig(path, http));
  const errors = join(path, 'error.log');
  await startServer({ defer }, ['nginx', '-p', path, '-e', errors, '-c', config], port);
  return { url: `http://127.0.0.1:${port}`, readErrors: () => readFile(errors, 'utf8') };
}

/** @param http the content of the block `http`. */
export function nginxConfig(directory: string, http: string): string {
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

const APACHE_MODULES = '/usr/lib/apache2/modules';

/**
 * Starts Apache with mod_proxy and mod_xsendfile.
 *
 * @param readable a directory that Apache must be able to read: it does not run as root.
 * @param site directives of its only site.
 * @returns its URL.
 */
export async function startApache(
  { directory, defer }: Cleanup,
  readable: string,
  site: string,
): Promise<{ url: string }> {
  const path = await directory();
  const port = await freePort();
  const modules = ['mpm_event', 'authz_core', 'proxy', 'proxy_http', 'xsendfile'].map(
    (name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`,
  );
  const user = process.getuid?.() === 0 ? ['User nobody', 'Group nogroup'] : [];
  // Temporary directories are for their owner alone.
  for (let at = readable; user.length > 0 && at.startsWith(process.env.TMPDIR ?? '/tmp/'); ) {
    await chmod(at, 0o755);
    at = dirname(at);
  }
  const lines = [
    ...modules,
    ...user,
    `ServerRoot ${path}`,
    `DefaultRuntimeDir ${path}`,
    `PidFile ${path}/apache.pid`,
    `ErrorLog ${path}/error.log`,
    'ServerName localhost',
    `Listen 127.0.0.1:${port}`,
    'StartServers 1',
    site,
  ];
  const config = join(path, 'apache.conf');
  await writeFile(config, `${lines.join('\n')}\n`);
  await startServer({ defer }, ['apache2', '-DFOREGROUND', '-f', config], port);
  return { url: `http://127.0.0.1:${port}` };
}

/** Starts a server, and waits until it takes connections. */
async function startServer(
  { defer }: Pick<Cleanup, 'defer'>,
  [command = '', ...args]: string[],
  port: number,
): Promise<void> {
  const program = startProgram({ command, args, cwd: '/', env: { PATH: process.env.PATH } });
  let output = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (text) => {
      output += text;
    });
  }
  let hasEnded = false;
  const end = () => {
    hasEnded = true;
  };
  const ended = program.closed.then(end, end);
  defer(async () => {
    program.kill();
    await ended;
  });
  while (!(await takesConnections(port))) {
    if (hasEnded) throw new Error(`${command} did not start: ${output}`);
    await delay(START_INTERVAL);
  }
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

export async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
