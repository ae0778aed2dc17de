/** Every metric of a run, with the heading of its column. MB and GB are 10^6 and 10^9 bytes. */
export const METRICS = {
  seconds: 'seconds',
  cpuSeconds: 'CPU seconds',
  upstreamMegabytes: 'MB from upstream',
  megabytesPerSecond: 'MB/s',
  cpuSecondsPerGigabyte: 'CPU s/GB',
  requestsPerSecond: 'requests/s',
  cpuMillisecondsPerRequest: 'CPU ms/request',
  clientLoad: "client's CPU load",
  loopDelayP50Milliseconds: 'loop delay p50, ms',
  loopDelayP99Milliseconds: 'loop delay p99, ms',
  loopDelayMaxMilliseconds: 'loop delay max, ms',
  routeP50Milliseconds: 'route p50, ms',
  routeP99Milliseconds: 'route p99, ms',
  routeMaxMilliseconds: 'route max, ms',
  startRssMegabytes: 'RSS at start, MB',
  peakRssMegabytes: 'peak RSS, MB',
} as const;

export type Metric = keyof typeof METRICS;

/** The figures of one run. */
export type Sample = Partial<Record<Metric, number>>;

export function isMetric(name: string): name is Metric {
  return name in METRICS;
}
