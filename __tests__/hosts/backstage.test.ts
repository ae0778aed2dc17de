import { generateKeyPairSync } from 'node:crypto';
import { cp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { restoreSnapshot } from '../../lib/client/index.js';
import { pack } from '../package/packed-package.js';
import { leftovers } from '../support/host-app.js';
import { listen } from '../support/listen.js';
import { startProgram } from '../support/program-start.js';
import { cleanEnvironment, execute, git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { Projects } from './project.js';

const { directory, defer } = cleanup(afterAll);
const PACKAGES = [
  'express@5',
  '@backstage/backend-defaults',
  '@backstage/backend-plugin-api',
  '@backstage/integration',
];
let project: string;

beforeAll(async () => {
  const projects = new Projects(await pack(await directory()), directory);
  project = await projects.of({ packages: PACKAGES });
  await cp(join('examples', 'backstage'), project, { recursive: true });
});

test('The logger of Backstage gets a failed job with its repository and error', async () => {
  const upstream = await startUpstream({ root: await directory() });
  defer(() => upstream.close());
  const env = {
    DATA_DIR: join(await directory(), 'data'),
    UPSTREAM: upstream.url,
    NODE_ENV: 'production',
  };
  const program = ['--no-warnings', 'backstage.mjs'];
  const { stdout, stderr } = await execute(process.execPath, program, { cwd: project, env });
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  expect([stderr, lines]).toEqual([
    '',
    [
      expect.objectContaining({
        level: 'warn',
        message: expect.stringMatching(/^repository not cloned: /),
        plugin: 'git',
        code: 'UPSTREAM_NOT_FOUND',
        repository: 'git.example/missing',
        stack: expect.stringContaining('SnapshotError'),
      }),
    ],
  ]);
});

/** Settings that only the test has: its port, and keys in files, where other backends have a database. */
async function testConfig(port: number, dataDir: string): Promise<string> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const place = await directory();
  const [publicKeyFile, privateKeyFile] = ['public.pem', 'private.pem'].map((name) =>
    join(place, name),
  );
  await writeFile(join(place, 'public.pem'), publicKey);
  await writeFile(join(place, 'private.pem'), privateKey);
  const keys = [{ keyId: 'test', publicKeyFile, privateKeyFile }];
  const config = {
    backend: {
      listen: { host: '127.0.0.1', port },
      auth: { pluginKeyStore: { type: 'static', static: { keys } } },
    },
    gitSnapshots: { dataDir },
  };
  const file = join(place, 'app-config.json');
  await writeFile(file, JSON.stringify(config));
  return file;
}

test('The plugin of the example serves private repositories to clients that Backstage knows', async () => {
  const root = await directory();
  await buildSmall(join(root, 'my-org', 'repo'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const upstreamToken = { username: 'x-access-token', password: 'upstream-token' };
  upstream.fault('my-org/repo', { kind: 'require-basic-auth', ...upstreamToken });
  const probe = createServer();
  const port = Number(new URL(await listen(probe, () => {})).port);
  probe.close();

  const dataDir = join(await directory(), 'data');
  const configs = [join(project, 'app-config.yaml'), await testConfig(port, dataDir)];
  const backend = startProgram({
    command: process.execPath,
    args: ['--no-warnings', 'backend.js', ...configs.flatMap((file) => ['--config', file])],
    cwd: project,
    env: {
      ...cleanEnvironment(),
      NODE_ENV: 'production',
      GITHUB_BASE_URL: upstream.url,
      GITHUB_TOKEN: 'upstream-token',
      SNAPSHOT_TOKEN: 'client-token-0123',
    },
  });
  defer(() => backend.kill());
  let log = '';
  const isReady = new Promise<void>((resolve) => {
    backend.stdout.on('data', (chunk) => {
      log += chunk;
      if (log.includes("newly initialized: 'git-snapshots'")) resolve();
    });
  });
  const ended = Promise.all([backend.closed, text(backend.stderr)]).then(([code, errors]) => {
    throw new Error(`the backend ended with ${code}: ${log}${errors}`);
  });
  await Promise.race([isReady, ended]);
  ended.catch(() => {});
  const url = `http://127.0.0.1:${port}/api/git-snapshots/github.com/my-org/repo/snapshot.tar.zst`;
  const headers = { authorization: 'Bearer client-token-0123' };
  expect((await fetch(url)).status).toBe(401);
  const other = url.replace('my-org', 'other-org');
  expect((await fetch(other, { headers })).status).toBe(403);
  const restored = join(await directory(), 'restored');
  await restoreSnapshot({ url, directory: restored, headers });
  expect(await git(restored, 'status', '--porcelain')).toBe('');
  expect(await leftovers(dataDir)).toEqual([]);
});
