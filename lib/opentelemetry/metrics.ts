/** Seconds. Requests, and calls of stores, locks and upstreams: from a millisecond to a minute. */
const CALL = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds. Jobs and downloads: up to half an hour. */
const WORK = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800];
/** Seconds. Up to a week. */
const AGE = [1, 10, 60, 300, 900, 3600, 21_600, 86_400, 604_800];

interface Metric {
  /** `state`: read when the metrics are collected. */
  readonly kind: 'histogram' | 'counter' | 'state';
  readonly unit: string;
  readonly description: string;
  /** All attributes that its values may have. */
  readonly attributes: readonly string[];
  /** Upper limits of the buckets of a histogram. */
  readonly boundaries?: readonly number[];
}

/**
 * All metrics, by the conventions of OpenTelemetry: times in seconds, sizes in bytes. The values of
 * all attributes are bounded, except for those of `git_snapshot.repository`, which is an option.
 */
export const METRICS = {
  'git_snapshot.request.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Time from a request to the end of its answer',
    attributes: [
      'git_snapshot.artifact',
      'git_snapshot.outcome',
      'error.type',
      'git_snapshot.repository',
    ],
    boundaries: WORK,
  },
  'git_snapshot.request.time_to_first_byte': {
    kind: 'histogram',
    unit: 's',
    description: 'Time from a request to the first byte of the artifact',
    attributes: ['git_snapshot.artifact', 'git_snapshot.outcome', 'git_snapshot.repository'],
    boundaries: CALL,
  },
  'git_snapshot.response.io': {
    kind: 'counter',
    unit: 'By',
    description: 'Bytes of artifacts that clients were sent',
    attributes: ['git_snapshot.artifact', 'git_snapshot.outcome', 'git_snapshot.repository'],
  },
  'git_snapshot.served.age': {
    kind: 'histogram',
    unit: 's',
    description: 'Time since a stored artifact, when it was served, was last known to be current',
    attributes: ['git_snapshot.artifact', 'git_snapshot.repository'],
    boundaries: AGE,
  },
  'git_snapshot.job.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Time from the start of a job to its end',
    attributes: ['git_snapshot.job', 'error.type', 'git_snapshot.repository'],
    boundaries: WORK,
  },
  'git_snapshot.job.queue.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Time that a job waited for its turn',
    attributes: ['git_snapshot.job', 'git_snapshot.repository'],
    boundaries: WORK,
  },
  'git_snapshot.job.count': {
    kind: 'state',
    unit: '{job}',
    description: 'Jobs that run, and that wait for their turn',
    attributes: ['git_snapshot.job', 'git_snapshot.state'],
  },
  'git_snapshot.pack.io': {
    kind: 'counter',
    unit: 'By',
    description: 'Bytes of packs that clones and fetches have got',
    attributes: ['git_snapshot.job', 'git_snapshot.source', 'git_snapshot.repository'],
  },
  'git_snapshot.pack.objects': {
    kind: 'counter',
    unit: '{object}',
    description: 'Objects that clones and fetches have got from upstreams',
    attributes: ['git_snapshot.job', 'git_snapshot.repository'],
  },
  'git_snapshot.build.io': {
    kind: 'counter',
    unit: 'By',
    description: 'Bytes of artifacts that were built',
    attributes: ['git_snapshot.artifact', 'git_snapshot.repository'],
  },
  'git_snapshot.upstream.request.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Time from an HTTP request to the head of the answer of the upstream',
    attributes: [
      'http.request.method',
      'server.address',
      'server.port',
      'http.response.status_code',
      'error.type',
    ],
    boundaries: CALL,
  },
  'git_snapshot.thread.count': {
    kind: 'state',
    unit: '{thread}',
    description: 'Worker threads',
    attributes: ['git_snapshot.pool', 'git_snapshot.state'],
  },
  'git_snapshot.repository.count': {
    kind: 'state',
    unit: '{repository}',
    description: 'Repositories that have a mirror, or that clients have requested',
    attributes: [],
  },
  'git_snapshot.mirror.count': {
    kind: 'state',
    unit: '{mirror}',
    description: 'Mirrors that are ready',
    attributes: [],
  },
  'git_snapshot.mirror.size': {
    kind: 'state',
    unit: 'By',
    description: 'Bytes of the packs and idx files of the mirrors',
    attributes: [],
  },
  'git_snapshot.mirror.evictions': {
    kind: 'counter',
    unit: '{mirror}',
    description: 'Mirrors that were removed',
    attributes: ['git_snapshot.reason'],
  },
  'git_snapshot.artifact.evictions': {
    kind: 'counter',
    unit: '{artifact}',
    description: 'Stored artifacts that were deleted',
    attributes: ['git_snapshot.reason'],
  },
  'git_snapshot.incidents': {
    kind: 'counter',
    unit: '{incident}',
    description: 'Events that an operator should know',
    attributes: ['git_snapshot.event'],
  },
  'git_snapshot.store.operation.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Time that a call of the store took; of `open`, until the body can be read',
    attributes: ['git_snapshot.store', 'git_snapshot.operation', 'error.type'],
    boundaries: CALL,
  },
  'git_snapshot.store.object.count': {
    kind: 'state',
    unit: '{object}',
    description: 'Objects in the store',
    attributes: ['git_snapshot.store'],
  },
  'git_snapshot.store.size': {
    kind: 'state',
    unit: 'By',
    description: 'Bytes of the objects in the store',
    attributes: ['git_snapshot.store'],
  },
  'git_snapshot.lock.operation.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Time that a call of the locks took; of `acquire`, until the lock was held',
    attributes: ['git_snapshot.operation', 'error.type'],
    boundaries: CALL,
  },
  'git_snapshot.lock.lost': {
    kind: 'counter',
    unit: '{lock}',
    description: 'Locks that were lost before their release',
    attributes: [],
  },
} as const satisfies Record<string, Metric>;

type Metrics = typeof METRICS;
export type MetricName = keyof Metrics;

export type MetricsOf<Kind extends Metric['kind']> = {
  [Name in MetricName]: Metrics[Name]['kind'] extends Kind ? Name : never;
}[MetricName];

/** The attributes that values of a metric may have. */
export type AttributesOf<Name extends MetricName> = {
  readonly [Attribute in Metrics[Name]['attributes'][number]]?: string | number;
};
