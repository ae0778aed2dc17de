import type { AppUnderTest } from './app-under-test.js';
import type { Settings } from './command-line.js';
import { alternate, type Run } from './measure/alternate.js';
import { type Result, summarise } from './measure/result.js';
import type { Reference } from './repositories/reference.js';
import type { Repository } from './repositories/repository.js';
import type { UpstreamServer } from './repositories/upstream-server.js';
import type { Scope } from './scope.js';

/** What every case gets. */
export interface Bench {
  readonly settings: Settings;
  readonly upstream: UpstreamServer;
  /**
   * The app that all cases measure but those that need a fresh one; started when the first asks for it. A case
   * has it forget its repositories.
   */
  readonly app: () => Promise<AppUnderTest>;
  /** git's own clone of a repository, made once. */
  readonly reference: (repository: Repository) => Promise<Reference>;
  /** Repositories whose cold snapshot has been found right. */
  readonly checked: Set<Repository>;
  /** Of the case that runs. */
  readonly scope: Scope;
  /** Aborts when the user wants to stop. */
  readonly signal: AbortSignal;
  /** A line for whoever waits. */
  readonly tell: (line: string) => void;
}

export interface Comparison {
  case: string;
  repository: Repository;
  variant?: string;
  /** By name, in the order of the runs; the first is ours. */
  sides: Record<string, Run>;
  /** The side that the others are compared with. */
  reference?: string;
  /** Default: true. */
  warmUp?: boolean;
}

/** Measures all sides of a comparison. Whoever calls has checked before that their results are right. */
export async function compare(bench: Bench, comparison: Comparison): Promise<Result> {
  const { repository, variant, sides, reference, warmUp = true } = comparison;
  const { pairs: rounds } = bench.settings;
  const title = [comparison.case, repository.name, variant].filter(Boolean).join(', ');
  const samples = await alternate(new Map(Object.entries(sides)), {
    rounds,
    warmUp,
    signal: bench.signal,
    onRun(side, round, sample) {
      const numbers = Object.entries(sample).map(([name, value]) => `${name} ${value.toFixed(3)}`);
      const which = round === 0 ? 'warm-up' : `${round}/${rounds}`;
      bench.tell(`${title}: ${side} ${which}: ${numbers.join(', ')}`);
    },
  });
  return {
    case: comparison.case,
    repository: {
      name: repository.name,
      objects: repository.objects,
      packBytes: repository.packBytes,
    },
    variant,
    rounds,
    reference,
    sides: summarise(samples, reference),
  };
}
