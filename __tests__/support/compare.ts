import { AssertionError } from 'node:assert';
import { execute } from './run.js';
import { snapshotTree } from './snapshot-tree.js';

export interface CompareOptions {
  /** What `remote.origin.url` of the first must be. Default: as in the second, without `.git`. */
  originUrl?: string;
}

/** Settings that a snapshot has beside those of a clone. */
const OWN_SETTINGS = /^core\.(checkstat=minimal|trustctime=false)$/;
const SHOWN = 20;

/**
 * Asserts that two checkouts are the same to a user: working files, index, history, refs, the
 * remote's default branch, tracking and settings. Times, owners and the packing are left out.
 *
 * @param actual directory of the snapshot.
 * @param expected directory of git's own clone.
 */
export async function expectSameCheckout(
  actual: string,
  expected: string,
  { originUrl }: CompareOptions = {},
): Promise<void> {
  const withOrigin = (line: string) =>
    line.startsWith('remote.origin.url=')
      ? `remote.origin.url=${originUrl ?? line.slice('remote.origin.url='.length).replace(/\.git$/, '')}`
      : line;
  const [a, b] = await Promise.all([
    describeCheckout(actual, (settings) => settings.filter((line) => !OWN_SETTINGS.test(line))),
    describeCheckout(expected, (settings) => settings.map(withOrigin)),
  ]);
  const differences = Object.entries(b).flatMap(([aspect, lines]) =>
    difference(a[aspect] ?? [], lines).map((line) => `${aspect}: ${line}`),
  );
  if (differences.length === 0) return;
  const shown = differences.slice(0, SHOWN).join('\n');
  const more = Math.max(0, differences.length - SHOWN);
  throw new AssertionError({
    message: `the checkouts differ (- expected, + actual):\n${shown}${more ? `\n… ${more} more` : ''}`,
    actual,
    expected,
  });
}

/** Lines for each aspect that is compared. */
async function describeCheckout(
  directory: string,
  comparedSettings: (lines: string[]) => string[],
): Promise<Record<string, string[]>> {
  const lines = async (...args: string[]) => {
    // Some fail where there is no origin/HEAD or no commit. Failures are compared as well.
    const { code, stdout } = await execute('git', args, { cwd: directory });
    return [...(code === 0 ? [] : [`exit code ${code}`]), ...stdout.trimEnd().split('\n')];
  };
  // This shows as well what origin/HEAD leads to, and which branch tracks which.
  const refs =
    '%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname) %(symref) %(upstream)';
  const tree = await snapshotTree(directory);
  return {
    files: Array.from(tree, (entry) => JSON.stringify(entry)),
    index: await lines('ls-files', '--stage', '-t'),
    log: await lines('log', '--all', '--format=%H %D'),
    refs: await lines('for-each-ref', `--format=${refs}`),
    // Compared with HEAD, without writing to the index: a later test of the first git status needs it untouched.
    status: await lines('--no-optional-locks', 'status', '--porcelain=v2', '--branch'),
    settings: comparedSettings(await lines('config', '--list', '--local')),
  };
}

function difference(actual: string[], expected: string[]): string[] {
  const [has, wants] = [new Set(actual), new Set(expected)];
  return [
    ...expected.filter((line) => !has.has(line)).map((line) => `- ${line}`),
    ...actual.filter((line) => !wants.has(line)).map((line) => `+ ${line}`),
    ...(actual.length === expected.length ? [] : [`${expected.length} → ${actual.length} lines`]),
  ];
}
