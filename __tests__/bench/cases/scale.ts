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
  const ofScale = results.map(({ case: name, variant, ...rest }) => {
    const what = variant === undefined ? name : `${name}, ${variant}`;
    return { ...rest, case: 'scale', variant: what };
  });
  return { results: ofScale, fits: fitsOf(ofScale) };
}

function fitsOf(results: readonly Result[]): Fit[] {
  const variants = new Set(results.map(({ variant = '' }) => variant));
  return Array.from(variants).flatMap((variant) => {
    const same = results.filter((result) => result.variant === variant);
    // A straight line needs two sizes.
    if (same.length < 2) return [];
    return (same[0]?.sides ?? []).map(({ name: side }) => {
      const points = same.flatMap(({ repository, sides }) => {
        const seconds = sides.find((one) => one.name === side)?.metrics.seconds?.median;
        return seconds === undefined ? [] : [{ ...repository, seconds }];
      });
      return {
        of: variant,
        side,
        exponentOverObjects: fittedExponent(points.map((p) => [p.objects, p.seconds])),
        exponentOverBytes: fittedExponent(points.map((p) => [p.packBytes, p.seconds])),
      };
    });
  });
}
