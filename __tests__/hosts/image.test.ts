/**
 * @needs podman redis
 * @one-node-version
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { parse } from 'yaml';
import { pack } from '../package/packed-package.js';
import { listen } from '../support/listen.js';
import { RedisServer } from '../support/redis-server.js';
import { git } from '../support/run.js';
import { startS3Server } from '../support/s3-server.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { checkHost } from './check-host.js';
import { importBaseImages, Podman } from './containers.js';

const resources = cleanup(afterAll);
const { directory, defer } = resources;
const DOCKER = join('examples', 'docker');
let podman: Podman;

beforeAll(async () => {
  podman = await Podman.start(resources);
  await importBaseImages(podman, resources);
  // The package comes from a registry; here its tarball comes from this process.
  const tarball = await readFile(await pack(await directory()));
  const registry = createServer((_req, res) => res.end(tarball));
  const url = `${await listen(registry, defer)}/express-git-snapshot.tgz`;
  const context = await directory();
  await cp(DOCKER, context, { recursive: true });
  const manifest = JSON.parse(await readFile(join(context, 'package.json'), 'utf8'));
  manifest.dependencies['express-git-snapshot'] = url;
  await writeFile(join(context, 'package.json'), JSON.stringify(manifest));
  const flags = ['--pull=never', '--network=host', '--format=docker', '--isolation=chroot'];
  await podman.run('build', '--quiet', ...flags, '--tag', 'snapshots', context);
});

/** A port that was free a moment ago. */
async function freePort(): Promise<string> {
  const server = createServer();
  const url = await listen(server, () => {});
  server.close();
  return new URL(url).port;
}

/** The settings of the service `app` of compose.yml, as those of podman. Each container has its own volume. */
async function composeFlags(name: string): Promise<string[]> {
  const { services } = parse(await readFile(join(DOCKER, 'compose.yml'), 'utf8'));
  const { read_only, cap_drop, security_opt, volumes } = services.app;
  return [
    ...(read_only ? ['--read-only', '--read-only-tmpfs=false'] : []),
    ...cap_drop.map((capability: string) => `--cap-drop=${capability}`),
    ...security_opt.map((option: string) => `--security-opt=${option}`),
    ...volumes.map((volume: string) => `--volume=${name}-${volume}`),
  ];
}

/** Starts a container of the image on the network of this machine. @returns its port. */
async function startApp(name: string, env: Record<string, string>): Promise<number> {
  const port = await freePort();
  const given = Object.entries({ ...env, PORT: port }).map((pair) => `--env=${pair.join('=')}`);
  // The limits that the user has may be lower than podman's.
  const limits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=4096:4096'];
  const host = ['--network=host', '--log-driver=k8s-file', '--no-healthcheck', ...limits];
  await podman.run(
    'run',
    '--detach',
    `--name=${name}`,
    ...host,
    ...(await composeFlags(name)),
    ...given,
    'snapshots',
  );
  for (;;) {
    const logs = await podman.run('logs', name);
    if (logs.includes('listening on ')) return Number(port);
    const state = await podman.run('inspect', '--format={{.State.Status}}', name);
    if (state === 'exited') throw new Error(logs);
  }
}

/** As Docker does it. @returns the exit code. */
async function stopApp(name: string): Promise<number> {
  await podman.run('stop', '--time=60', name);
  return Number(await podman.run('inspect', '--format={{.State.ExitCode}}', name));
}

async function startSmallUpstream() {
  const root = await directory();
  await buildSmall(join(root, 'small'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  return { upstream, commit: await git(join(root, 'small'), 'rev-parse', 'HEAD') };
}

test('The image runs as another user than root, on a read-only root, and is healthy until SIGTERM ends it', async () => {
  const { upstream, commit } = await startSmallUpstream();
  const port = await startApp('alone', { GITHUB_BASE_URL: upstream.url });
  const target = join(await directory(), 'copy');
  await checkHost(port, { gitHost: 'github.com', target, commit });

  const pid = await podman.run('inspect', '--format={{.State.Pid}}', 'alone');
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
  expect(status).toMatch(/^CapEff:\t0+$/m);
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  expect(status).toMatch(/^NSpid:\t\d+\t1$/m);
  expect(await readFile(`/proc/${pid}/mountinfo`, 'utf8')).toMatch(/ \/ \/ ro,/);
  const shell = await podman.execute('exec', 'alone', 'sh', '-c', 'true');
  expect(shell.code).not.toBe(0);
  const check = JSON.parse(
    await podman.run('inspect', '--format={{json .HealthCheck.Test}}', 'snapshots'),
  );
  expect((await podman.execute('exec', 'alone', ...check.slice(1))).code).toBe(0);
  expect(await stopApp('alone')).toBe(0);
});

test('Containers of the image share a bucket and Redis as in compose.yml', async () => {
  const { upstream } = await startSmallUpstream();
  const s3 = await startS3Server(resources);
  const redisPort = await freePort();
  const redis = await RedisServer.start({ port: redisPort, bind: '127.0.0.1' });
  defer(() => redis.close());
  const { services } = parse(await readFile(join(DOCKER, 'compose.yml'), 'utf8'));
  const env = {
    ...services.app.environment,
    S3_BUCKET: await s3.makeBucket(),
    S3_ENDPOINT: s3.config.endpoint,
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    GITHUB_BASE_URL: upstream.url,
  };
  const ports = [await startApp('first', env), await startApp('second', env)];
  const bodies: Buffer[] = [];
  for (const port of ports) {
    const base = `http://127.0.0.1:${port}`;
    expect((await fetch(`${base}/health/ready`)).status).toBe(200);
    const response = await fetch(`${base}/git/github.com/small/snapshot.tar.zst`);
    bodies.push(Buffer.from(await response.arrayBuffer()));
  }
  expect(bodies[0]?.length).toBeGreaterThan(1000);
  expect(bodies[1]?.equals(bodies[0] ?? Buffer.of())).toBe(true);
  expect(upstream.uploadPacks('small')).toBe(1);
  expect(await Promise.all(['first', 'second'].map(stopApp))).toEqual([0, 0]);
});
