/**
 * @one-node-version
 */
import type { SnapshotEvents } from '../../lib/events/events.js';
import type { FetchProgress } from '../../lib/upstream/fetch-pack.js';
import { codeSpans, readTable } from './markdown.js';

const PAGE = 'docs/events.md';

type Properties<Payload> = Record<keyof Payload, true>;

/** The compiler holds these against the code: no event or property too many and none too few. */
const EVENTS: { [Name in keyof SnapshotEvents]: Properties<SnapshotEvents[Name][0]> } = {
  hit: { repository: true, etag: true, size: true },
  miss: { repository: true, joined: true },
  cloneStarted: { repository: true },
  cloneProgress: { repository: true, progress: true },
  cloneFinished: {
    repository: true,
    milliseconds: true,
    objects: true,
    packBytes: true,
    restoredBytes: true,
  },
  cloneFailed: { repository: true, milliseconds: true, error: true },
  restoreFailed: { repository: true, error: true },
  refreshed: {
    repository: true,
    milliseconds: true,
    changed: true,
    objects: true,
    packBytes: true,
  },
  refreshFailed: { repository: true, milliseconds: true, error: true },
  forgotten: { repository: true, error: true },
  consolidated: { repository: true, milliseconds: true, packs: true },
  consolidationFailed: { repository: true, milliseconds: true, error: true },
  mirrorEvicted: { repository: true, bytes: true },
  mirrorBroken: { repository: true, error: true },
  generationStarted: { repository: true, etag: true, commit: true },
  generationFinished: { repository: true, milliseconds: true, size: true },
  generationFailed: { repository: true, milliseconds: true, error: true },
  storeFailed: { repository: true, error: true },
  evicted: { key: true },
};

type ProgressOf<Kind> = Omit<Extract<FetchProgress, { kind: Kind }>, 'kind'>;

const PROGRESS: { [Kind in FetchProgress['kind']]: Properties<ProgressOf<Kind>> } = {
  pack: { phase: true, receivedBytes: true, receivedObjects: true, totalObjects: true },
  message: { text: true },
};

test('The page of events lists every event with its properties', async () => {
  const { rows } = await readTable(PAGE, 'Events');
  const documented = rows.map(([name = '', properties = '']) => [
    codeSpans(name)[0],
    codeSpans(properties),
  ]);
  const actual = Object.entries(EVENTS).map(([name, payload]) => [name, Object.keys(payload)]);
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(actual));
});

test('The page of events lists every kind of progress with its properties', async () => {
  const { rows } = await readTable(PAGE, 'Progress of a clone');
  const kinds = Object.entries(PROGRESS);
  expect(rows.map(([kind = '']) => codeSpans(kind)[0])).toEqual(kinds.map(([kind]) => kind));
  for (const [i, [, properties]] of kinds.entries()) {
    // A property is what stands before its colon; examples may follow.
    const named = (rows[i]?.[1] ?? '').split(';').map((part) => codeSpans(part)[0]);
    expect(named).toEqual(Object.keys(properties));
  }
});
