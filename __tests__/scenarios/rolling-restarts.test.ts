/**
 * @needs nginx
 * @one-node-version
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startNginx } from '../bench/native/nginx.js';
import { Program } from '../bench/program.js';
import type { UpstreamOrders } from '../bench/programs/upstream.js';
import { codeBlocks, readPage } from '../docs/markdown.js';
import { rounds } from '../support/effort.js';
import { HOST } from '../support/host-app.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { freePort } from '../support/web-server.js';

/*
 * Processes with one data directory behind nginx, configured as the page on proxies says. They are
 * restarted one after another, while clients request stored snapshots and snapshots of new
 * repositories. `npm run stress -- rolling` does so for TEST_SECONDS.
 */

const { directory, defer } = cleanup(afterEach);
const PROCESSES = rounds(2, 4);
const CLIENTS = rounds(4, 12);
/** Restarts, unless SECONDS is longer. */
const RESTARTS = rounds(1, PROCESSES);
const SECONDS = rounds(0, Number(process.env.TEST_SECONDS ?? 60));
const PROGRAM = fileURLToPath(new URL('./restarted-app.js', import.meta.url));

/** The requests of all clients, and the failures that they saw. */
interface Tally {
  requests: number;
  readonly failures: string[];
}

async function start(argument: object): Promise<ChildProcess> {
  const child = fork(PROGRAM, [JSON.stringify(argument)], { execArgv: [] });
  const exit = once(child, 'exit');
  defer(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  await Promise.race([
    once(child, 'message'),
    exit.then(() => Promise.reject(new Error('the app did not start'))),
  ]);
  return child;
}

/** The configuration of the page, with these processes. */
async function configuration(ports: readonly number[], port: number): Promise<string> {
  const [recipe = ''] = codeBlocks(await readPage('docs/proxies.md'), ['nginx']);
  const servers = ports.map((one) => `server 127.0.0.1:${one} max_fails=0;`).join('\n');
  const [upstream = '', location = ''] = recipe.split(/(?=^location)/m);
  expect(location).toContain('proxy_pass http://app;');
  return `${upstream.replace(/(server 127\.0\.0\.1.*\s*)+/, servers)}
    server { listen 127.0.0.1:${port}; ${location} }`;
}

test('No client notices that the processes behind nginx are restarted one after another', async () => {
  const root = await directory();
  const template = join(root, 'template.git');
  await buildSmall(template);
  const upstream = await Program.start<UpstreamOrders>('upstream', { argument: { root } });
  defer(() => upstream.stop());
  const upstreamUrl = await upstream.order('url');
  const dataDir = await directory();
  const log = join(await directory(), 'log');
  const ports: number[] = [];
  while (ports.length < PROCESSES) ports.push(await freePort());
  const startAt = (port: number) => start({ dataDir, upstreamUrl, port, log });
  const children = await Promise.all(ports.map(startAt));
  const http = await configuration(ports, await freePort());
  const nginx = await startNginx({ directory, defer }, (port) =>
    http.replace(/listen 127\.0\.0\.1:\d+/, `listen 127.0.0.1:${port}`),
  );

  const tally: Tally = { requests: 0, failures: [] };
  let repositories = 0;
  let isOver = false;
  const get = async (path: string, method = 'GET') => {
    tally.requests += 1;
    try {
      const response = await fetch(`${nginx.url}/git/${HOST}/${path}/snapshot.tar.zst`, { method });
      const body = Buffer.from(await response.arrayBuffer());
      if (response.status !== 200)
        tally.failures.push(`${response.status} ${body.toString().slice(0, 300)}`);
    } catch (error) {
      tally.failures.push(`${error} ${error instanceof Error && error.cause}`);
    }
  };
  /** A repository that nobody has requested yet. */
  const add = async () => {
    const path = `org/repo-${repositories}`;
    await cp(template, join(root, `${path}.git`), { recursive: true });
    repositories += 1;
    return path;
  };
  // A GET waits until the artifact is stored, a HEAD does not: other processes would answer it 404.
  const known = [await add()];
  await get(known[0] ?? '');
  await get(known[0] ?? '');
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let turn = client; !isOver; turn += 1) {
      const path = known[turn % known.length] ?? '';
      await get(path, turn % 8 === 0 ? 'HEAD' : 'GET');
    }
  });
  const newcomers = async () => {
    while (!isOver) {
      const path = await add();
      await Promise.all(Array.from({ length: CLIENTS }, () => get(path)));
      await get(path);
      known.push(path);
    }
  };
  const growing = newcomers();

  const end = Date.now() + SECONDS * 1000;
  let restarts = 0;
  while (restarts < RESTARTS || Date.now() < end) {
    const index = restarts % PROCESSES;
    const child = children[index];
    const exit = child && once(child, 'exit');
    child?.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
    children[index] = await startAt(ports[index] ?? 0);
    restarts += 1;
  }
  isOver = true;
  await Promise.all([...clients, growing]);
  const lines = (await readFile(log, 'utf8')).trim().split('\n');
  const count = (what: string) => lines.filter((line) => line.startsWith(what)).length;
  const [clones, builds] = [count('clone done'), count('build done')];
  if (SECONDS > 0) {
    console.log({
      restarts,
      ...tally,
      repositories,
      clones,
      builds,
      failed: lines.filter((l) => l.includes('failed')),
    });
  }
  expect(tally.failures).toEqual([]);
  expect({ clones, builds }).toEqual({ clones: repositories, builds: repositories });
});
