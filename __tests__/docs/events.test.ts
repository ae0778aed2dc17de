/**
 * @one-node-version
 */
import type {
  JobInfo,
  JobKind,
  JobResults,
  RequestEndedEvent,
  SnapshotEvents,
} from '../../lib/index.js';
import type { FetchProgress } from '../../lib/upstream/fetch-progress.js';
import { codeSpans, readTable } from './markdown.js';

const PAGE = 'docs/events.md';

type Properties<Payload> = Record<keyof Payload, true>;
type JobEvent = 'jobStarted' | 'jobProgress' | 'jobEnded';

/** The compiler holds these against the code: no event or property too many and none too few. */
const EVENTS: {
  [Name in Exclude<keyof SnapshotEvents, JobEvent>]: Properties<SnapshotEvents[Name]>;
} = {
  hit: { repository: true, artifact: true, etag: true, size: true, ageMs: true, stale: true },
  miss: { repository: true, artifact: true, reason: true, coalesced: true },
  mirrorSeedFailed: { repository: true, error: true },
  mirrorEvicted: { repository: true, bytes: true, reason: true },
  mirrorCorrupted: { repository: true, error: true },
  evicted: { repository: true, artifact: true, reason: true },
  evictionFailed: { repository: true, error: true },
  repositoryForgotten: { repository: true, error: true },
  warmed: { total: true, fresh: true, built: true, failures: true },
};

const JOB: Properties<JobInfo> = {
  id: true,
  kind: true,
  repository: true,
  artifact: true,
  queuedMs: true,
};
const JOB_EVENTS: { [Name in JobEvent]: Properties<Omit<SnapshotEvents[Name], keyof JobInfo>> } = {
  jobStarted: {},
  jobProgress: { progress: true },
  jobEnded: { durationMs: true, error: true },
};

const RESULTS: { [Kind in JobKind]: Properties<JobResults[Kind]> } = {
  clone: { objects: true, packBytes: true, seededBytes: true },
  fetch: { changed: true, objects: true, packBytes: true },
  build: { outcome: true, etag: true, commit: true, size: true },
  store: { outcome: true, etag: true, size: true },
  repack: { outcome: true, packs: true },
};

type ProgressOf<Kind> = Omit<Extract<FetchProgress, { kind: Kind }>, 'kind'>;

const PROGRESS: { [Kind in FetchProgress['kind']]: Properties<ProgressOf<Kind>> } = {
  pack: { phase: true, receivedBytes: true, receivedObjects: true, totalObjects: true },
  message: { text: true },
  request: { method: true, host: true, status: true, durationMs: true },
};

const REQUEST_ENDED: Properties<RequestEndedEvent> = {
  repository: true,
  requested: true,
  outcome: true,
  status: true,
  error: true,
  bytes: true,
  firstByteMs: true,
  durationMs: true,
};

async function documented(heading: string): Promise<Record<string, string[]>> {
  const { rows } = await readTable(PAGE, heading);
  return Object.fromEntries(
    rows.map(([name = '', properties = '']) => [codeSpans(name)[0], codeSpans(properties)]),
  );
}

function actual(payloads: Record<string, object>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(payloads).map(([name, payload]) => [name, Object.keys(payload)]),
  );
}

test('The page of events lists every event with its properties', async () => {
  expect(await documented('Other events')).toEqual(actual(EVENTS));
});

test('The page of events lists the properties of jobs', async () => {
  expect(Object.keys(await documented('Properties of a job'))).toEqual([
    ...Object.keys(JOB),
    ...Object.values(JOB_EVENTS).flatMap((own) => Object.keys(own)),
  ]);
});

test('The page of events lists the properties of a request that has ended', async () => {
  expect(Object.keys(await documented('Requests'))).toEqual(Object.keys(REQUEST_ENDED));
});

test('The page of events lists every kind of job with its results', async () => {
  expect(await documented('Kinds of jobs')).toEqual(actual(RESULTS));
});

test('The page of events lists every kind of progress with its properties', async () => {
  const { rows } = await readTable(PAGE, 'Progress of a job');
  const kinds = Object.entries(PROGRESS);
  expect(rows.map(([kind = '']) => codeSpans(kind)[0])).toEqual(kinds.map(([kind]) => kind));
  for (const [i, [, properties]] of kinds.entries()) {
    // A property is what stands before its colon; examples may follow.
    const named = (rows[i]?.[1] ?? '').split(';').map((part) => codeSpans(part)[0]);
    expect(named).toEqual(Object.keys(properties));
  }
});
