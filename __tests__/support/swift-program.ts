import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * OpenStack Swift with its S3 API, as Debian packages it, on free ports of 127.0.0.1 and with one replica of
 * everything below the directory that it is given, until the process is stopped or its standard input ends.
 * Says in one line of JSON how to reach it.
 */

const [directory = ''] = process.argv.slice(2);

/** Debian's own Python, which finds Swift. */
const PYTHON = '/usr/bin/python3';
/** One partition, one replica, on the only disk: as `swift-ring-builder` does, which takes a process for each step. */
const MAKE_RINGS = `
import json, sys
from swift.common.ring import RingBuilder
for path, port in json.loads(sys.argv[1]):
    builder = RingBuilder(0, 1, 0)
    builder.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': port, 'device': 'disk', 'weight': 1})
    builder.rebalance()
    builder.get_ring().save(path)
`;
const RINGS = ['account', 'container', 'object'];
const POLL_INTERVAL = 20;

const children = new Set<ChildProcess>();
let isStopping = false;

async function stop(): Promise<void> {
  isStopping = true;
  process.stdin.destroy();
  const gone = [...children].map((child) => once(child, 'exit'));
  for (const child of children) child.kill('SIGKILL'); // no data has to be kept
  await Promise.all(gone);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop);
process.stdin.once('end', stop).resume();

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
  if (!isStopping) void stop();
}

function start(command: string, args: string[]): void {
  // The servers leave the process group. They have to end with this process, even if it is killed.
  const mortal = ['--pdeathsig', 'KILL', command, ...args];
  const child = spawn('setpriv', mortal, { stdio: ['ignore', 'ignore', 'inherit'] });
  children.add(child);
  child.once('error', ({ message }) => {
    children.delete(child);
    fail(message);
  });
  child.once('exit', (code, signal) => {
    children.delete(child);
    if (!isStopping) fail(`${command} ended with ${code ?? signal}`);
  });
}

async function freePorts(names: readonly string[]): Promise<Record<string, number>> {
  const servers = names.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return Object.fromEntries(names.map((name, i) => [name, ports[i] ?? 0]));
}

/** Resolves when a server listens on the port, or this program is being stopped. */
async function answer(port: number): Promise<void> {
  while (!isStopping) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await delay(POLL_INTERVAL);
    } finally {
      socket.destroy();
    }
  }
}

const user = userInfo().username;
const ports = await freePorts(['proxy', 'memcached', ...RINGS]);

const common = (port: number | undefined) => `
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
user = ${user}
swift_dir = ${directory}
devices = ${join(directory, 'devices')}
mount_check = false
fallocate_reserve = 0
workers = 0
log_level = ERROR
`;
const CONFIG: Record<string, string> = {
  'swift.conf': `
[swift-hash]
swift_hash_path_prefix = trial
swift_hash_path_suffix = trial
[storage-policy:0]
name = only
default = yes
`,
  'proxy.conf': `${common(ports.proxy)}
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${ports.memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
# So that a list of few objects has several pages.
max_bucket_listing = 10
[filter:tempauth]
use = egg:swift#tempauth
user_trial_user = secret .admin
[filter:slo]
use = egg:swift#slo
`,
};
for (const ring of RINGS) {
  CONFIG[`${ring}.conf`] = `${common(ports[ring])}
[pipeline:main]
pipeline = ${ring}-server
[app:${ring}-server]
use = egg:swift#${ring}
log_requests = false
`;
}

async function makeRings(): Promise<void> {
  const rings = RINGS.map((ring) => [join(directory, `${ring}.ring.gz`), ports[ring]]);
  const python = spawn(PYTHON, ['-c', MAKE_RINGS, JSON.stringify(rings)], { stdio: 'inherit' });
  const [code] = await once(python, 'exit');
  if (code !== 0) fail('Swift has made no rings');
}

await mkdir(join(directory, 'devices', 'disk'), { recursive: true });
await Promise.all([
  makeRings(),
  ...Object.entries(CONFIG).map(([name, text]) => writeFile(join(directory, name), text)),
]);
if (!isStopping) {
  start('memcached', ['-l', '127.0.0.1', '-p', `${ports.memcached}`, '-m', '16', '-u', user]);
  for (const part of ['proxy', ...RINGS]) {
    start(`swift-${part}-server`, [join(directory, `${part}.conf`)]);
  }
  await Promise.all(Object.values(ports).map(answer));
}
if (!isStopping) {
  const endpoint = `http://127.0.0.1:${ports.proxy}`;
  const credentials = { accessKeyId: 'trial:user', secretAccessKey: 'secret' };
  console.log(JSON.stringify({ endpoint, region: 'us-east-1', credentials }));
}
