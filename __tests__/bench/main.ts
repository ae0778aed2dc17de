import { inspect } from 'node:util';
import { AppUnderTest } from './app-under-test.js';
import type { Bench } from './bench.js';
import { runCase } from './cases/run-case.js';
import { scale } from './cases/scale.js';
import { HELP, parseCommandLine, type Settings, UsageError } from './command-line.js';
import type { Fit } from './measure/fit.js';
import type { Result } from './measure/result.js';
import { describeMachine } from './report/machine.js';
import type { Report } from './report/report.js';
import { reportText } from './report/text.js';
import { givenRepository } from './repositories/given.js';
import { Reference } from './repositories/reference.js';
import type { Repository } from './repositories/repository.js';
import { syntheticRepository } from './repositories/synthetic.js';
import { UpstreamServer } from './repositories/upstream-server.js';
import { openScope, type Scope } from './scope.js';

/*
 * `npm run bench`: see README.md.
 */

const tell = (line: string) => void process.stderr.write(`${line}\n`);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // More than once, as npm passes on what the terminal has already sent to all.
  process.on(name, () => {
    if (stop.signal.aborted) return;
    tell('stopping');
    stop.abort(new Error(`stopped by ${name}`));
  });
}

try {
  const settings = parseCommandLine(process.argv.slice(2));
  if (settings === undefined) process.stdout.write(HELP);
  else await main(settings);
} catch (error) {
  // A bench that was stopped fails in many ways.
  if (stop.signal.aborted) tell(String(stop.signal.reason));
  else tell(error instanceof UsageError ? error.message : inspect(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(settings: Settings): Promise<void> {
  const scope = openScope();
  try {
    const report = await measure(settings, scope);
    const text = settings.json ? `${JSON.stringify(report)}\n` : reportText(report);
    process.stdout.write(text);
  } finally {
    await scope.release();
  }
}

async function measure(settings: Settings, scope: Scope): Promise<Report> {
  const upstream = await UpstreamServer.start(scope);
  const references = new Map<Repository, Promise<Reference>>();
  const reference = (repository: Repository): Promise<Reference> => {
    const made = references.get(repository) ?? Reference.clone({ scope, upstream }, repository);
    references.set(repository, made);
    return made;
  };
  const checked = new Set<Repository>();
  const { signal } = stop;
  let started: Promise<AppUnderTest> | undefined;
  const app = (): Promise<AppUnderTest> => {
    started ??= AppUnderTest.start({ settings, scope, upstream, signal });
    return started;
  };
  const bench: Bench = { settings, scope, upstream, app, reference, checked, signal, tell };
  const results: Result[] = [];
  const fits: Fit[] = [];
  const names = settings.cases.filter((name) => name !== 'scale');
  const repositories = names.length > 0 ? await measuredRepositories(bench) : [];
  for (const repository of repositories) {
    for (const name of names) results.push(...(await runCase(name, bench, repository)));
  }
  if (settings.cases.includes('scale')) {
    const outcome = await scale(bench);
    results.push(...outcome.results);
    fits.push(...outcome.fits);
  }
  return { machine: await describeMachine(), settings, results, fits };
}

async function measuredRepositories(bench: Bench): Promise<Repository[]> {
  const { repositories, objects } = bench.settings;
  if (repositories.length === 0) return [await syntheticRepository(bench, objects)];
  const found: Repository[] = [];
  for (const path of repositories) found.push(await givenRepository(bench, path));
  return found;
}
