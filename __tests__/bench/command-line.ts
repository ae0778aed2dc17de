import { parseArgs } from 'node:util';
import { CASE_NAMES, type CaseName, DEFAULT_CASES, isCaseName } from './cases/names.js';

export interface Settings {
  readonly cases: readonly CaseName[];
  /** Paths of bare repositories. Empty: a synthetic one. */
  readonly repositories: readonly string[];
  /** Of the synthetic history. */
  readonly objects: number;
  readonly seed: number;
  /** Where synthetic repositories are kept. */
  readonly keep: string | undefined;
  /** Runs of each side that count. */
  readonly pairs: number;
  /** Whether each side has a run first that does not count. */
  readonly warmUp: boolean;
  /** Of `index`, each measured on its own. */
  readonly threads: readonly number[];
  /** Of the app; `undefined`: what an app has that sets nothing. */
  readonly appThreads: number | undefined;
  /** The least that `hit` transfers in each run. */
  readonly megabytes: number;
  /** Of `scale`: objects. */
  readonly sizes: readonly number[];
  /** Where CPU profiles of the programs with our code go. */
  readonly profiles: string | undefined;
  readonly json: boolean;
}

export const HELP = `npm run bench -- [options]

  --case NAME      ${CASE_NAMES.join(', ')};
                   repeatable; default: all but scale and s3
  --repo PATH      a bare repository to measure with, which is not changed; repeatable;
                   default: a synthetic history
  --objects N      of the synthetic history, about; default: 50000
  --seed N         of synthetic histories; default: 1
  --keep DIR       makes synthetic repositories in DIR, and leaves them there for the next time
  --pairs N        runs of each side; default: 5
  --no-warm-up     counts the first run of each side, too
  --threads N      of index, and (the highest) of the app; repeatable; default: 1 and 2 for index,
                   for the app what the library's default is
  --megabytes N    that each run of hit transfers at least; default: 1000
  --sizes N,N,…    objects of the histories of scale; default: 10000,50000,200000,800000
  --cpu-prof DIR   writes CPU profiles of the processes that run our code into DIR
  --json           one JSON object on standard output instead of tables
  --help           this
`;

/** A mistake of the user in the arguments. */
export class UsageError extends Error {}

/** @returns `undefined` when help is asked for. @throws UsageError */
export function parseCommandLine(args: readonly string[]): Settings | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const threads = values.threads?.map((text) => positive('threads', text));
  return {
    cases: values.case?.map(caseName) ?? DEFAULT_CASES,
    repositories: values.repo ?? [],
    objects: positive('objects', values.objects),
    seed: positive('seed', values.seed),
    keep: values.keep,
    pairs: positive('pairs', values.pairs),
    warmUp: !values['no-warm-up'],
    threads: threads ?? [1, 2],
    appThreads: threads && Math.max(...threads),
    megabytes: positive('megabytes', values.megabytes),
    sizes: values.sizes.split(',').map((text) => positive('sizes', text)),
    profiles: values['cpu-prof'],
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        case: { type: 'string', multiple: true },
        repo: { type: 'string', multiple: true },
        objects: { type: 'string', default: '50000' },
        seed: { type: 'string', default: '1' },
        keep: { type: 'string' },
        pairs: { type: 'string', default: '5' },
        'no-warm-up': { type: 'boolean', default: false },
        threads: { type: 'string', multiple: true },
        megabytes: { type: 'string', default: '1000' },
        sizes: { type: 'string', default: '10000,50000,200000,800000' },
        'cpu-prof': { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}

function caseName(text: string): CaseName {
  if (!isCaseName(text)) throw new UsageError(`${text} is no case: ${CASE_NAMES.join(', ')}`);
  return text;
}

function positive(option: string, text: string): number {
  if (!/^[1-9]\d{0,11}$/.test(text)) throw new UsageError(`--${option} takes a number above 0`);
  return Number(text);
}
