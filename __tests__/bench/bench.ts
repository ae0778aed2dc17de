import type { AppUnderTest } from './app-under-test.js';
import type { Settings } from './command-line.js';
import { alternate, type Run } from './measure/alternate.js';
import { type Result, summarise } from './measure/result.js';
import type { Reference } from './repositories/reference.js';
import type { Repository } from './repositories/repository.js';
import type { UpstreamServer } from './repositories/upstream-server.js';
import type { Scope } from './scope.js';

/** The argument of every case. */
export interface Bench {
  readonly settings: Settings;
  readonly upstream: UpstreamServer;
  /**
   * The app that cases share, unless they need a new one. Started at the first call. Each case has it `forget`
   * its repositories.
   */
  readonly app: () => Promise<AppUnderTest>;
  /** git's own clone of a repository, made once. */
  readonly reference: (repository: Repository) => Promise<Reference>;
  /** Repositories whose cold snapshot was checked. */
  readonly checked: Set<Repository>;
  /** The resources of the running case. */
  readonly scope: Scope;
  /** Aborts when the user wants to stop. */
  readonly signal: AbortSignal;
  /** Prints a line of progress. */
  readonly tell: (line: string) => void;
}

export interface Comparison {
  case: string;
  repository: Repository;
  variant?: string;
  /** By name, in the order of the runs. The first one is ours. */
  sides: Record<string, Run>;
  /** The side that the others are compared with. */
  reference?: string;
  /** Default: true. */
  warmUp?: boolean;
}

/** Measures all sides of a comparison. The caller has checked their results before. */
export async function compare(bench: Bench, comparison: Comparison): Promise<Result> {
  const { repository, variant, sides, reference } = comparison;
  const { pairs: rounds, warmUp } = bench.settings;
  const title = [comparison.case, repository.name, variant].filter(Boolean).join(', ');
  const samples = await alternate(new Map(Object.entries(sides)), {
    rounds,
    warmUp: warmUp && comparison.warmUp !== false,
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
