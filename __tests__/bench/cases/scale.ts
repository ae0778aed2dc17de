import type { Bench } from '../bench.js';
import { type Fit, fittedExponent } from '../measure/fit.js';
import type { Result } from '../measure/result.js';
import { syntheticRepository } from '../repositories/synthetic.js';
import { openScope } from '../scope.js';
import { cold } from './cold.js';
import { indexWith } from './index-pack.js';

export interface ScaleOutcome {
  readonly results: readonly Result[];
  readonly fits: readonly Fit[];
}

/** `index`, with the highest number of threads, and `cold`, over synthetic histories of several sizes. */
export async function scale(bench: Bench): Promise<ScaleOutcome> {
  const threads = Math.max(...bench.settings.threads);
  const results: Result[] = [];
  for (const objects of bench.settings.sizes) {
    const scope = openScope();
    try {
      const inScope = { ...bench, scope };
      const repository = await syntheticRepository(inScope, objects);
      results.push(await indexWith(inScope, repository, threads));
      results.push(...(await cold(inScope, repository)));
    } finally {
      await scope.release();
    }
  }
  const renamed = results.map((result) => ({ ...result, case: `scale, ${result.case}` }));
  return { results: renamed, fits: fitsOf(renamed) };
}

/** A straight line needs two sizes. */
function fitsOf(results: readonly Result[]): Fit[] {
  return ['scale, index', 'scale, cold'].flatMap((name) => {
    const of = results.filter((result) => result.case === name);
    if (of.length < 2) return [];
    return (of[0]?.sides ?? []).map(({ name: side }) => {
      const points = of.flatMap(({ repository, sides }) => {
        const seconds = sides.find((one) => one.name === side)?.metrics.seconds?.median;
        return seconds === undefined ? [] : [{ ...repository, seconds }];
      });
      return {
        of: name,
        side,
        exponentOverObjects: fittedExponent(points.map((p) => [p.objects, p.seconds])),
        exponentOverBytes: fittedExponent(points.map((p) => [p.packBytes, p.seconds])),
      };
    });
  });
}
