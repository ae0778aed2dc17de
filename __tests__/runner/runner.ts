import { relative } from 'node:path';
import {
  createRunner,
  type OnFailure,
  type OnResult,
  type OnStart,
  type RunnerParameters,
  type Suite,
} from 'jest-light-runner';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import { declarationOf, missingPrograms } from './programs.js';

/**
 * Suites in a batch, which has processes of its own. They end with it, because a process never frees the modules of
 * its suites: it would grow to a gigabyte.
 */
const BATCH = 30;

/** The skipped suites, with the missing programs of each. */
export const skippedSuites = new Map<string, readonly string[]>();

/** The name of a suite: the path of its source below `__tests__`. */
export function nameOf(suite: string): string {
  return relative('.build/__tests__', suite).replace(/\.test\.js$/, '');
}

// The processes that are forked inherit this.
process.execArgv.push('--import', new URL('./worker-data.js', import.meta.url).href);

const LightRunner = createRunner({ runtime: 'child_process' });

/**
 * Runs suites in processes that each import the library once. (jest's own runner compiles every module anew for
 * every suite.) Skips the suites whose programs are missing and, with `TEST_OTHER_NODE_VERSION=1`, those that
 * declare `@one-node-version`.
 */
export default class Runner {
  readonly #parameters: RunnerParameters;

  constructor(...parameters: RunnerParameters) {
    this.#parameters = parameters;
  }

  async runTests(
    suites: readonly Suite[],
    watcher: unknown,
    onStart: OnStart,
    onResult: OnResult,
    onFailure: OnFailure,
  ): Promise<void> {
    const [{ maxWorkers }] = this.#parameters;
    const batches: Promise<void>[] = [];
    // Processes that are about to end don't keep this one alive.
    const keptAlive = setInterval(() => {}, 60_000);
    try {
      for (const batch of batchesOf(suites.filter(isChosen()))) {
        const { promise: hasIdleProcess, resolve } = withResolvers<void>();
        let left = batch.length;
        const ended = () => {
          left--;
          if (left < maxWorkers) resolve();
        };
        const runner = new LightRunner(...this.#parameters);
        batches.push(
          runner.runTests(
            batch,
            watcher,
            onStart,
            (suite, result) => onResult(suite, result).finally(ended),
            (suite, error) => onFailure(suite, error).finally(ended),
          ),
        );
        // The next batch begins beside the last suites of this one: no core stands idle.
        await hasIdleProcess;
      }
      await Promise.all(batches);
    } finally {
      clearInterval(keptAlive);
    }
  }
}

function isChosen(): (suite: Suite) => boolean {
  const missing = missingPrograms();
  const isOtherVersion = process.env.TEST_OTHER_NODE_VERSION === '1';
  return ({ path }) => {
    const name = nameOf(path);
    const { needs, oneNodeVersion } = declarationOf(`__tests__/${name}.test.ts`);
    if (isOtherVersion && oneNodeVersion) return false;
    const lacks = needs.filter((program) => missing.includes(program));
    if (lacks.length > 0) skippedSuites.set(name, lacks);
    return lacks.length === 0;
  };
}

/** Deals the suites out in turn. They come slowest first, so that the processes of a batch end at the same time. */
function batchesOf(suites: readonly Suite[]): Suite[][] {
  const count = Math.ceil(suites.length / BATCH);
  return Array.from({ length: count }, (_, i) => suites.filter((_suite, at) => at % count === i));
}
