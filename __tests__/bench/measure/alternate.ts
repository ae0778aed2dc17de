import type { Sample } from './metrics.js';

/** One run of one competitor. It tidies up before it resolves; its sample leaves that out. */
export type Run = () => Promise<Sample>;

export interface AlternateOptions {
  /** Runs of each side that count. */
  rounds: number;
  /** Begins with a round that does not count. */
  warmUp: boolean;
  signal: AbortSignal;
  onRun: (side: string, round: number, sample: Sample) => void;
}

/**
 * Runs all sides in turn, A B A B …, so that whatever else the machine does meets all of them.
 *
 * @returns the samples of each side.
 */
export async function alternate(
  sides: ReadonlyMap<string, Run>,
  { rounds, warmUp, signal, onRun }: AlternateOptions,
): Promise<Map<string, Sample[]>> {
  const samples = new Map(Array.from(sides.keys(), (name): [string, Sample[]] => [name, []]));
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    for (const [name, run] of sides) {
      signal.throwIfAborted();
      const sample = await run();
      onRun(name, round, sample);
      if (round > 0) samples.get(name)?.push(sample);
    }
  }
  return samples;
}
