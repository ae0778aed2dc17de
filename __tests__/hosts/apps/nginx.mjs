// The app behind nginx, configured as docs/proxies.md says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createSnapshotRouter } from 'express-git-snapshot';
import { express, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
await snapshots.ready();
const server = express().use('/git', snapshots).listen(0, '127.0.0.1');
await once(server, 'listening');

const port = await freePort();
const place = `${options.dataDir}-nginx`;
mkdirSync(place);
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
  (name) => `${name}_temp_path ${place}/${name};`,
);
const shown = process.env.NGINX.replaceAll(/:300\d\b/g, `:${server.address().port}`);
const [upstream, location] = shown.split(/(?=^location)/m);
const config = `
  daemon off;
  master_process off;
  pid ${place}/pid;
  error_log stderr;
  events {}
  http {
    access_log off;
    ${temporary.join('\n')}
    ${upstream}
    server {
      listen 127.0.0.1:${port};
      ${location}
    }
  }`;
writeFileSync(`${place}/nginx.conf`, config);
const nginx = spawn('nginx', ['-p', place, '-e', 'stderr', '-c', `${place}/nginx.conf`], {
  stdio: 'inherit',
});
while (!(await accepts(port)));
console.log(`listening ${port}`);

process.once('SIGTERM', async () => {
  nginx.kill('SIGQUIT');
  await once(nginx, 'exit');
  server.close();
  server.closeIdleConnections();
  await snapshots.close({ drain: true });
});

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port: free } = probe.address();
  probe.close();
  return free;
}

async function accepts(port) {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  return isOpen;
}
