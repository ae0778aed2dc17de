import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { createSnapshotRouter } from 'express-git-snapshot';
import { isInstalled } from './programs.js';
import { showProgress } from './progress.js';
import { createReport } from './report.js';
import { prepareRepositories } from './repositories.js';
import { startUpstream } from './upstream.js';
import { walkThrough } from './walkthrough.js';

const report = createReport(process.stdout);
const interrupted = new AbortController();
// The signal may come twice: from the terminal, and from npm.
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => interrupted.abort());
const { signal } = interrupted;

/** Functions that release what `demo` uses. They run in reverse order, even after a failure. */
const releases = [];

async function demo([url]) {
  if (!(await isInstalled('git'))) throw new Error('this demo needs git; please install it');
  const directory = await mkdtemp(join(tmpdir(), 'express-git-snapshot-demo-'));
  releases.push(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));

  const source = url === undefined ? await localSource(directory) : remoteSource(url);
  const snapshots = createSnapshotRouter({
    dataDir: join(directory, 'data'),
    hosts: { [source.host]: { baseUrl: source.baseUrl, allowPrivateAddresses: true } },
    logger: false, // the demo itself says what failed
  });
  releases.push(() => snapshots.close());
  const app = express().use('/git', snapshots);
  const server = app.listen(0, '127.0.0.1');
  releases.push(() => closeServer(server));
  await once(server, 'listening');
  const mount = `http://127.0.0.1:${server.address().port}/git`;

  showProgress(snapshots.service.events, report);
  for (const [i, { path, title }] of source.repositories.entries()) {
    report.title(title);
    const checkouts = join(directory, `checkouts-${i}`);
    await mkdir(checkouts);
    await walkThrough({
      snapshotUrl: `${mount}/${source.host}/${path}/snapshot.tar.zst`,
      upstreamUrl: `${source.baseUrl}/${path}`,
      directory: checkouts,
      report,
      signal,
    });
  }
}

/** Serves repositories of this machine, so that the demo needs no internet. */
async function localSource(directory) {
  const root = join(directory, 'upstream');
  await mkdir(root);
  const repositories = await prepareRepositories(root, { report, signal });
  const upstream = await startUpstream(root);
  releases.push(() => upstream.close());
  return {
    host: 'git.example',
    baseUrl: upstream.url,
    repositories: repositories.map(({ name, title }) => ({
      path: name,
      title: `${title}, served by git http-backend on this machine`,
    })),
  };
}

/** One repository of a git host: `https://github.com/org/repo`. */
function remoteSource(text) {
  const isUsable = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
  if (!isUsable) throw new Error(`${text} is not the http(s) URL of a repository`);
  const { origin, host, pathname } = new URL(text);
  const path = pathname.replace(/^\/|\/$/g, '');
  return { host, baseUrl: origin, repositories: [{ path, title: `${origin}/${path}` }] };
}

async function closeServer(server) {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

try {
  await demo(process.argv.slice(2));
  report.note(
    '\nOne run on this machine. Cold request and git clone include the work of the upstream; the first cold request\n' +
      'also starts threads.',
  );
} catch (error) {
  report.close();
  process.exitCode = signal.aborted ? 130 : 1;
  console.error(signal.aborted ? 'interrupted' : `demo: ${error.message}`);
} finally {
  report.close();
  for (const release of releases.reverse()) await release();
}
