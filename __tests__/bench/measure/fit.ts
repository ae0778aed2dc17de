/** How the time of one side grows: time ~ size ^ exponent. */
export interface Fit {
  /** The variant of `scale`. */
  readonly of: string;
  readonly side: string;
  readonly exponentOverObjects: number;
  readonly exponentOverBytes: number;
}

/** The slope of the straight line through (log x, log y) with the least squares. */
export function fittedExponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const meanX = mean(logs.map(([x]) => x));
  const meanY = mean(logs.map(([, y]) => y));
  let [covariance, variance] = [0, 0];
  for (const [x, y] of logs) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return covariance / variance;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
