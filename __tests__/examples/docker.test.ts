import { once } from 'node:events';
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { leftovers } from '../support/host-app.js';
import { listen } from '../support/listen.js';
import { execute } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { startExample } from './example-server.js';

const { directory, defer } = cleanup(afterEach);
const DOCKER = join('examples', 'docker');

/** The part of a Deployment that the tests read. */
interface Container {
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string } };
}

async function deployedContainer(): Promise<Container> {
  const text = await readFile(join('examples', 'kubernetes', 'snapshots.yaml'), 'utf8');
  const resources = parseAllDocuments(text).map((document) => document.toJS());
  return resources.find(({ kind }) => kind === 'Deployment').spec.template.spec.containers[0];
}

/** The folder beside the packages that its package.json names, which are linked from here. */
async function install(): Promise<string> {
  const project = await directory();
  await cp(DOCKER, project, { recursive: true });
  const { dependencies } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    const link = join(project, 'node_modules', name);
    await mkdir(join(link, '..'), { recursive: true });
    await symlink(resolve(name === 'express-git-snapshot' ? '.' : `node_modules/${name}`), link);
  }
  return project;
}

/** The check of the image, as arguments of node. */
async function healthCheck(): Promise<string[]> {
  const file = await readFile(join(DOCKER, 'Dockerfile'), 'utf8');
  const [, list = ''] = /^HEALTHCHECK .*\\\n +CMD (\[.*\])$/m.exec(file) ?? [];
  const [node, ...args] = JSON.parse(list) as string[];
  expect(node).toBe('/nodejs/bin/node');
  return args;
}

test('The server of the image answers the probes of Docker and Kubernetes, and ends cleanly on SIGTERM', async () => {
  const root = await directory();
  await buildSmall(join(root, 'org', 'repo'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const dataDir = await directory();
  const env = { DATA_DIR: dataDir, GITHUB_BASE_URL: upstream.url };
  const server = await startExample(await install(), env);
  defer(() => server.stop());

  const container = await deployedContainer();
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
    const { path } = container[probe]?.httpGet ?? { path: 'none' };
    expect([probe, path, (await fetch(`${server.url}${path}`)).status]).toEqual([probe, path, 200]);
  }
  const check = await healthCheck();
  const PORT = new URL(server.url).port;
  expect(await execute(process.execPath, check, { env: { PORT } })).toMatchObject({ code: 0 });
  const snapshot = await fetch(`${server.url}/git/github.com/org/repo/snapshot.tar.zst`);
  expect([snapshot.status, (await snapshot.arrayBuffer()).byteLength > 1000]).toEqual([200, true]);

  expect(await server.stop()).toBe(0);
  expect(await leftovers(dataDir)).toEqual([]);
  expect(await execute(process.execPath, check, { env: { PORT } })).toMatchObject({ code: 1 });
});

test('A request that takes too long does not keep the server of the image from its end', async () => {
  const { closeInTime }: { closeInTime(parts: object): Promise<void> } = await import(
    pathToFileURL(join(DOCKER, 'shutdown.js')).href
  );
  const server = createServer(() => {}); // never answers
  const cutOff = expect(fetch(await listen(server, defer))).rejects.toThrow('fetch failed');
  await once(server, 'request');
  const closed: unknown[] = [];
  await closeInTime({
    server,
    snapshots: { close: async (options: object) => closed.push(options ? 'drained' : 'cut off') },
    storage: { close: async () => closed.push('storage') },
    requestsTime: 1,
  });
  await cutOff;
  expect(closed).toEqual(['cut off', 'drained', 'storage']);
});

test('The recipes for Docker, Kubernetes and systemd set only variables that the server reads', async () => {
  const sources = await Promise.all(
    ['server.js', 'storage.js'].map((name) => readFile(join(DOCKER, name), 'utf8')),
  );
  const known = new Set(sources.join('\n').match(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|\bPORT\b/g));
  const compose = parse(await readFile(join(DOCKER, 'compose.yml'), 'utf8'));
  const unit = await readFile(join('examples', 'systemd', 'git-snapshots.service'), 'utf8');
  const dockerfile = await readFile(join(DOCKER, 'Dockerfile'), 'utf8');
  const assignments = (text: string, line: RegExp) =>
    Array.from(line.exec(text)?.[1]?.matchAll(/(\w+)=/g) ?? [], ([, name = '']) => name);
  const used = {
    compose: Object.keys(compose.services.app.environment),
    kubernetes: (await deployedContainer()).env.map(({ name }) => name),
    systemd: assignments(unit, /^Environment=(.*)$/m),
    docker: assignments(dockerfile, /^ENV (.*)$/m),
  };
  for (const names of Object.values(used)) {
    expect(names.length).toBeGreaterThan(2);
    expect(names.filter((name) => !known.has(name) && name !== 'NODE_ENV')).toEqual([]);
  }
});
