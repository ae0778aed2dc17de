import { setMaxListeners } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createAppProcess } from './app-process.js';
import { appClient } from './clients.js';
import { startGitHost } from './git-host.js';
import { openLine } from './line.js';
import { isInstalled } from './programs.js';
import { createReport } from './report.js';
import { makeRepository } from './repository.js';
import { walkThrough } from './walkthrough.js';

/** Milliseconds, as between an office and a git host in the same country. */
const LATENCY = 20;
const REF_LIST = '/info/refs?service=git-upload-pack';
const OPTIONS = {
  clients: { type: 'string', default: '10' },
  commits: { type: 'string', default: '1000' },
  mbits: { type: 'string', default: '100' },
};

const report = createReport(process.stdout);
const interrupted = new AbortController();
// The signal may come twice: from the terminal, and from npm.
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => interrupted.abort());
process.stdout.on('error', () => interrupted.abort()); // nobody reads any more
const { signal } = interrupted;
setMaxListeners(0, signal); // each client listens

/** Functions that release what `demo` uses. They run in reverse order, even after a failure. */
const releases = [];

async function demo() {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [clients, commits, mbits] = Object.keys(OPTIONS).map((name) => positive(name, values));
  if (!(await isInstalled('git'))) throw new Error('this demo needs git; please install it');
  const directory = await mkdtemp(join(tmpdir(), 'express-git-snapshot-demo-'));
  releases.push(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));

  const [url] = positionals;
  const source =
    url === undefined ? await localSource(directory, commits, mbits) : await remoteSource(url);
  const line = await openLine(source.url, source.speed);
  releases.push(() => line.cut());
  const app = createAppProcess({
    host: source.host,
    originUrl: source.originUrl,
    upstreamUrl: line.url,
  });
  releases.push(() => app.kill());

  const client = await appClient();
  report.title(`A team of ${clients}: with git clone, and with an app that serves snapshots`);
  report.text(
    `${source.description} App and clients share ${availableParallelism()} processors. Clients of the app run ` +
      `${client.name}. Times are until every client has a checkout; bytes are those that the upstream sent.`,
  );
  const { path, push } = source;
  await walkThrough({
    path,
    push,
    clients,
    appClient: client,
    directory,
    line,
    app,
    report,
    signal,
  });
}

/** Serves a repository from this machine, so that the demo needs no internet. */
async function localSource(directory, commits, mbits) {
  const root = join(directory, 'upstream');
  await mkdir(root);
  report.progress(() => 'making a repository');
  const { objects, push } = await makeRepository(join(root, 'team', 'app'), commits, signal);
  const host = await startGitHost(root);
  releases.push(() => host.close());
  return {
    host: 'git.example',
    originUrl: 'https://git.example',
    url: host.url,
    path: 'team/app',
    push,
    speed: { bytesPerSecond: (mbits * 1e6) / 8, latency: LATENCY },
    description:
      `${commits.toLocaleString('en')} generated commits, ${objects.toLocaleString('en')} objects. The upstream, ` +
      `git http-backend on this machine, is behind a simulated line of ${mbits} Mbit/s and ${LATENCY} ms.`,
  };
}

/** One repository of a git host: `https://github.com/org/repo`. */
async function remoteSource(text) {
  const isUsable = URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
  if (!isUsable) throw new Error(`${text} is not the http(s) URL of a repository`);
  const base = text.replace(/\/$/, '');
  const answer = await fetch(`${base}${REF_LIST}`, { signal }).catch((error) => {
    signal.throwIfAborted();
    throw new Error(`${text} can't be reached: ${error.cause?.message ?? error.message}`);
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`${text} answered ${answer.status}`);
  // The host may have redirected the request, for instance after the repository was renamed.
  const { origin, host, pathname } = new URL(answer.url.replace(REF_LIST, ''));
  const path = pathname.slice(1);
  return {
    host,
    originUrl: origin,
    url: origin,
    path,
    description: `The upstream is ${origin}/${path}.`,
  };
}

function positive(name, values) {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${name} takes a whole number from 1`);
  return number;
}

try {
  await demo();
} catch (error) {
  report.close();
  process.exitCode = signal.aborted ? 130 : 1;
  console.error(signal.aborted ? 'interrupted' : `demo: ${error.message}`);
} finally {
  report.close();
  for (const release of releases.reverse()) await release();
}
