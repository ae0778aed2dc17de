import { withResolvers } from '../../lib/async/with-resolvers.js';
import type {
  JobEndedEvent,
  JobKind,
  JobStartedEvent,
  SnapshotEventSource,
  SnapshotEvents,
} from '../../lib/index.js';

/**
 * The events that tests wait for: an event by its name, or the start or end of a job. A build is `done` when it has written its artifact. A
 * repack is `done` when it has replaced packs.
 */
export type EventName =
  | Exclude<keyof SnapshotEvents, 'jobStarted' | 'jobEnded'>
  | `${JobKind} ${'started' | 'done' | 'failed'}`;

type About<Name extends EventName> = Name extends keyof SnapshotEvents
  ? SnapshotEvents[Name]
  : Name extends `${infer Kind} started`
    ? Extract<JobStartedEvent, { kind: Kind }>
    : Name extends `${infer Kind} done`
      ? Extract<JobEndedEvent, { kind: Kind; error: undefined }>
      : Name extends `${infer Kind} failed`
        ? Exclude<Extract<JobEndedEvent, { kind: Kind }>, { error: undefined }>
        : never;

type Listener<Name extends EventName> = (about: About<Name>) => unknown;

interface Eventful {
  readonly events: SnapshotEventSource;
}

const EVENTS: Record<Exclude<keyof SnapshotEvents, 'jobStarted' | 'jobEnded'>, true> = {
  hit: true,
  miss: true,
  jobProgress: true,
  mirrorSeedFailed: true,
  mirrorEvicted: true,
  mirrorCorrupted: true,
  evicted: true,
  evictionFailed: true,
  repositoryForgotten: true,
  warmed: true,
};
const KINDS: Record<JobKind, true> = {
  clone: true,
  fetch: true,
  build: true,
  store: true,
  repack: true,
};

export const EVENT_NAMES: readonly EventName[] = [
  ...keysOf(EVENTS),
  ...keysOf(KINDS).flatMap(
    (kind) => [`${kind} started`, `${kind} done`, `${kind} failed`] as const,
  ),
];

function keysOf<Key extends string>(record: Record<Key, true>): Key[] {
  return Object.keys(record) as Key[];
}

/** Calls a listener for each such event. @returns a function that ends this. */
export function listen<Name extends EventName>(
  { events }: Eventful,
  name: Name,
  listener: Listener<Name>,
): () => void {
  const [kind, end] = name.split(' ');
  const heard = listener as (about: object) => unknown;
  if (end === undefined) {
    const plain = name as keyof SnapshotEvents;
    events.on(plain, heard);
    return () => events.off(plain, heard);
  }
  if (end === 'started') {
    const onStart = (job: JobStartedEvent) => job.kind === kind && heard(job);
    events.on('jobStarted', onStart);
    return () => events.off('jobStarted', onStart);
  }
  const onEnd = (job: JobEndedEvent) => {
    if (job.kind === kind && endOf(job) === end) heard(job);
  };
  events.on('jobEnded', onEnd);
  return () => events.off('jobEnded', onEnd);
}

function endOf(job: JobEndedEvent): 'done' | 'failed' | 'idle' {
  if (job.error !== undefined) return 'failed';
  const isIdle =
    (job.kind === 'build' && job.outcome === 'unchanged') ||
    (job.kind === 'repack' && (job.outcome === 'checked' || job.outcome === 'superseded')) ||
    (job.kind === 'store' && job.outcome === 'superseded');
  return isIdle ? 'idle' : 'done';
}

/** As `listen`, for the next event only. */
export function listenOnce<Name extends EventName>(
  source: Eventful,
  name: Name,
  listener: Listener<Name>,
): void {
  const end = listen(source, name, (about) => {
    end();
    listener(about);
  });
}

/** The next such event that `isWanted` accepts. */
export function nextEvent<Name extends EventName>(
  source: Eventful,
  name: Name,
  isWanted: (about: About<Name>) => boolean = () => true,
): Promise<About<Name>> {
  return new Promise((resolve) => {
    const end = listen(source, name, (about) => {
      if (!isWanted(about)) return;
      end();
      resolve(about);
    });
  });
}

/** Yields each later event of this kind. */
export async function* eventsOf<Name extends EventName>(
  source: Eventful,
  name: Name,
): AsyncGenerator<About<Name>, never> {
  const queue: About<Name>[] = [];
  let wake = () => {};
  const end = listen(source, name, (about) => {
    queue.push(about);
    wake();
  });
  try {
    for (;;) {
      const about = queue.shift();
      if (about !== undefined) yield about;
      else {
        const { promise, resolve } = withResolvers<void>();
        wake = resolve;
        await promise;
      }
    }
  } finally {
    end();
  }
}
