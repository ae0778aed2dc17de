import { isMetric, type Metric, type Sample } from './metrics.js';
import { type Spread, spreadOf } from './spread.js';

/** The result of a case with one repository. */
export interface Result {
  readonly case: string;
  readonly repository: {
    readonly name: string;
    readonly objects: number;
    readonly packBytes: number;
  };
  /** The value of a parameter of the case, such as the number of threads or connections. */
  readonly variant: string | undefined;
  /** Of each side. */
  readonly rounds: number;
  /** The side that the others are compared with; `undefined` where there is no peer. */
  readonly reference: string | undefined;
  readonly sides: readonly SideResult[];
}

export interface SideResult {
  readonly name: string;
  readonly metrics: Partial<Record<Metric, Spread>>;
  /** This side's median divided by the reference's; empty for the reference. */
  readonly ratios: Partial<Record<Metric, number>>;
}

export function summarise(
  samples: ReadonlyMap<string, readonly Sample[]>,
  reference: string | undefined,
): SideResult[] {
  const spreads = new Map(Array.from(samples, ([name, of]) => [name, spreadsOf(of)]));
  const base = reference === undefined ? undefined : spreads.get(reference);
  return Array.from(spreads, ([name, metrics]) => {
    const ratios: SideResult['ratios'] = {};
    for (const metric of Object.keys(metrics).filter(isMetric)) {
      const [own, other] = [metrics[metric], base?.[metric]];
      if (name !== reference && own && other) ratios[metric] = own.median / other.median;
    }
    return { name, metrics, ratios };
  });
}

function spreadsOf(samples: readonly Sample[]): SideResult['metrics'] {
  const spreads: SideResult['metrics'] = {};
  for (const metric of Object.keys(samples[0] ?? {}).filter(isMetric)) {
    spreads[metric] = spreadOf(samples.flatMap((sample) => sample[metric] ?? []));
  }
  return spreads;
}
