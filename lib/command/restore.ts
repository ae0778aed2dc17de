import type { RestoreResult } from '../client/options.js';
import { restoreSnapshot } from '../client/restore.js';
import { inBytes } from '../in-bytes.js';
import { inTime } from './in-time.js';
import { printable } from './printable.js';
import { isTerminal, showProgress } from './progress-bar.js';
import { requestHeaders, snapshotUrl } from './restore-request.js';
import type { Surroundings } from './surroundings.js';
import { HELP, helpOf, parse, type Syntax, UsageError } from './syntax.js';

export const RESTORE = {
  usage: 'restore <url> <directory>',
  summary: 'Downloads a snapshot into a new directory, or brings a checkout up to date.',
  details: `The URL is that of the repository on the server, such as
https://snapshots.example/git/github.com/org/repo.`,
  options: {
    ref: { type: 'string', value: 'name', text: 'a branch, tag or commit; default: HEAD' },
    depth: { type: 'string', value: 'n', text: 'only the latest n commits; default: all' },
    token: {
      type: 'string',
      value: 'token',
      text: 'for the server; other users may see it: rather set GIT_SNAPSHOT_TOKEN',
    },
    force: { type: 'boolean', text: 'lets an update drop local changes and commits' },
    'retry-for': {
      type: 'string',
      value: 'seconds',
      text: 'for how long failed requests are repeated; default: 60',
    },
    'skip-unsupported': {
      type: 'boolean',
      text: "leaves out files whose names the target can't have",
    },
    quiet: { type: 'boolean', short: 'q', text: 'prints only warnings and failures' },
    help: HELP,
  },
  variables: {
    GIT_SNAPSHOT_TOKEN: 'sent to the server as `Authorization: Bearer <token>`',
    GIT_SNAPSHOT_HEADER: '`Name: value`, sent to the server; several: one a line',
    'https_proxy, http_proxy, no_proxy': 'the proxy to the server',
  },
} as const satisfies Syntax;

/** @throws UsageError; as `restoreSnapshot` */
export async function restore(args: readonly string[], surroundings: Surroundings): Promise<void> {
  const { stdout, stderr, environment, stop } = surroundings;
  const { values, positionals } = parse(RESTORE, args);
  if (values.help) {
    stdout.write(helpOf(RESTORE));
    return;
  }
  const [location, directory, ...rest] = positionals;
  if (location === undefined || directory === undefined || rest.length > 0) {
    throw new UsageError(
      `restore takes a URL and a directory, not ${positionals.length} arguments`,
    );
  }
  const { ref, depth, token, force, quiet } = values;
  if (depth !== undefined && !/^[1-9]\d*$/.test(depth)) {
    throw new UsageError('--depth must be a whole number, 1 or more');
  }
  const retryFor = values['retry-for'] ?? '60';
  if (!/^\d{1,9}$/.test(retryFor)) throw new UsageError('--retry-for must be a number of seconds');
  const url = snapshotUrl(location, { ref, depth });
  const headers = requestHeaders(surroundings, token);
  const started = performance.now();
  const hasBar = !quiet && isTerminal(stderr) && environment.TERM !== 'dumb';
  const bar = hasBar ? await showProgress(stderr) : undefined;
  let result: RestoreResult;
  try {
    result = await restoreSnapshot({
      url,
      directory,
      headers,
      force,
      retryTimeout: 1000 * Number(retryFor),
      onUnsupported: values['skip-unsupported'] ? 'skip' : 'fail',
      onProgress: (progress) => bar?.update(progress),
      signal: stop,
    });
  } finally {
    bar?.close();
  }
  for (const warning of warningsOf(result)) stderr.write(`${printable(warning)}\n`);
  const seconds = (performance.now() - started) / 1000;
  if (!quiet) stdout.write(`${summaryOf(result, directory)} in ${inTime(seconds)}\n`);
}

function summaryOf(result: RestoreResult, directory: string): string {
  const { outcome, commit, files, receivedBytes } = result;
  const at = `${directory}${commit === undefined ? '' : ` at ${commit.slice(0, 12)}`}`;
  if (outcome === 'unchanged') return `Up to date: ${at}`;
  const verb = outcome === 'updated' ? 'Updated' : 'Restored';
  const count = files === 1 ? '1 file' : `${files} files`;
  return `${verb} ${at}: ${count}, ${inBytes(receivedBytes)}`;
}

function warningsOf({ collisions, skipped }: RestoreResult): string[] {
  const warnings: string[] = [];
  if (collisions.length > 0) {
    warnings.push(`warning: names that are one on this file system: ${listed(collisions)}`);
  }
  if (skipped.length > 0) {
    warnings.push(`warning: left out, as this file system can't have them: ${listed(skipped)}`);
  }
  return warnings;
}

/** The first ten, quoted: names may hold spaces. */
function listed(paths: readonly string[]): string {
  const shown = paths.slice(0, 10).map((path) => JSON.stringify(path));
  const more = paths.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
