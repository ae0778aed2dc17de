import { incrementalBasis } from '../../lib/artifact/etag.js';
import { type ArtifactId, defaultSnapshot } from '../../lib/artifact/id.js';
import { after, momentOf, thisMoment } from '../../lib/async/clock.js';
import type { FreshnessOptions } from '../../lib/config/freshness-options.js';
import { type FreshnessPolicy, parseOptions } from '../../lib/config/options.js';
import { SnapshotError } from '../../lib/errors.js';
import { decide, rebuildDelay } from '../../lib/service/decide.js';
import { isCurrent, type StoredState } from '../../lib/service/staleness.js';
import type { UpstreamState } from '../../lib/service/upstream-state.js';
import { readTable } from '../docs/markdown.js';

const NOW = thisMoment();
const ago = (milliseconds: number) => momentOf(NOW.date - milliseconds, NOW);
const MINUTE = 60_000;
const HEAD = { kind: 'branch', ref: 'refs/heads/main', oid: '1'.repeat(40) } as const;
const REPOSITORY = { host: 'git.test', path: 'org/repo' };
const SNAPSHOT = defaultSnapshot(REPOSITORY);
const FIXED = { ...SNAPSHOT, ref: HEAD.oid, depth: 1 };
const BUNDLE: ArtifactId = { kind: 'bundle', repository: REPOSITORY, base: '2'.repeat(40) };

const policyOf = (freshness: FreshnessOptions) =>
  parseOptions({ dataDir: 'unused', hosts: { 'git.test': {} }, freshness }).freshness;
const DEFAULTS = policyOf({});
const NO_STALE = policyOf({ staleWhileRevalidate: 0 });
const NO_ERRORS = policyOf({ staleWhileRevalidate: 0, staleIfError: 0 });

interface Facts extends Partial<StoredState> {
  readonly digest?: string;
  readonly basis?: string;
  readonly knownAt?: number | undefined;
}

function stored({ digest, basis, ...facts }: Facts): StoredState {
  const { knownAt = ago(3 * MINUTE).date, ...rest } = facts;
  return {
    storedAt: ago(MINUTE).date,
    provenance: { basis, format: undefined, digest, knownAt },
    isOfOtherFormat: false,
    verifiedDigest: undefined,
    isPastRetention: false,
    ...rest,
  };
}

const CURRENT = stored({ digest: 'new' });
const STALE = stored({ digest: 'old' });

type Request = [id: ArtifactId, stored: StoredState | undefined, isBuilding?: boolean];
/** By the words of the page. */
const STORED: Record<string, Request> = {
  nothing: [SNAPSHOT, undefined],
  'nothing, but it is being built': [SNAPSHOT, undefined, true],
  current: [SNAPSHOT, CURRENT],
  stale: [SNAPSHOT, STALE],
  'of another format': [SNAPSHOT, stored({ digest: 'new', isOfOtherFormat: true })],
  'a commit with a depth': [FIXED, STALE],
  'the same, over six hours old': [FIXED, stored({ digest: 'new', isPastRetention: true })],
  'the same, of another format': [FIXED, stored({ isOfOtherFormat: true })],
  'a current bundle with a base': [BUNDLE, stored({ basis: incrementalBasis(HEAD) })],
  'a stale bundle with a base': [BUNDLE, stored({ basis: 'old' })],
};

const CHECKED: UpstreamState = {
  requestedAt: undefined,
  checkedAt: ago(MINUTE / 2),
  triedAt: ago(MINUTE / 2).time,
  failure: undefined,
  failedAt: undefined,
  digest: 'new',
  past: [],
  head: HEAD,
  pause: undefined,
  isForgotten: false,
};
const DUE = { ...CHECKED, checkedAt: ago(2 * MINUTE), triedAt: ago(2 * MINUTE).time };
const JUST_FAILED = {
  ...DUE,
  triedAt: ago(1000).time,
  failedAt: ago(1000).time,
  failure: new SnapshotError('UPSTREAM_UNREACHABLE', 'down'),
};
const UPSTREAM: Record<string, UpstreamState> = {
  'checked within `maxAge`': CHECKED,
  'check due': DUE,
  'check due, the last one begun within `checkInterval`': { ...DUE, triedAt: ago(1000).time },
  'last check failed': JUST_FAILED,
  'host paused by `Retry-After`': {
    ...DUE,
    pause: { error: new SnapshotError('UPSTREAM_RATE_LIMITED', 'busy'), until: after(NOW.time, 1) },
  },
  'refused for longer than `forgetAfter`': { ...DUE, isForgotten: true },
  'the same, and the last check failed': { ...JUST_FAILED, isForgotten: true },
};

const { rows } = await readTable('docs/freshness.md', 'What a request gets');

test.each(rows.map((row) => [...row]))(
  'As the page says, stored: %s; upstream: %s; %s; later %s; at last %s',
  (...row) => {
    const [storedAs = '', upstreamAs = '', ...actions] = row;
    const all = { requests: Object.values(STORED), upstreams: Object.values(UPSTREAM) };
    const requests = storedAs === 'anything' ? all.requests : [STORED[storedAs]];
    const upstreams =
      upstreamAs === 'any' ? all.upstreams.filter((u) => !u.isForgotten) : [UPSTREAM[upstreamAs]];
    for (const request of requests) {
      for (const upstream of upstreams) {
        if (request === undefined || upstream === undefined) throw new Error(`unknown: ${row}`);
        const [id, artifact, isBuilding = false] = request;
        const decided = [DEFAULTS, NO_STALE, NO_ERRORS].map((policy) =>
          decide(id, artifact, upstream, policy, NOW, { isChecked: false, isBuilding }),
        );
        expect(decided.map((action) => action.replaceAll('-', ' '))).toEqual(actions);
      }
    }
  },
);

test('After its check, no request is told to check first', () => {
  for (const [id, artifact, isBuilding = false] of Object.values(STORED)) {
    for (const upstream of Object.values(UPSTREAM)) {
      const progress = { isChecked: true, isBuilding };
      const action = decide(id, artifact, upstream, NO_STALE, NOW, progress);
      expect(action).not.toBe('check-first');
    }
  }
});

test('Without any check, the one before the build counts, and a clock that was set back does not', () => {
  const upstream = { ...CHECKED, checkedAt: undefined, triedAt: undefined };
  const progress = { isChecked: false, isBuilding: false };
  const of = (artifact: StoredState) =>
    decide(SNAPSHOT, artifact, upstream, NO_STALE, NOW, progress);
  const knownAt = (date: number) => of(stored({ digest: 'new', knownAt: date }));
  expect(knownAt(ago(MINUTE / 2).date)).toBe('serve');
  expect(knownAt(ago(2 * MINUTE).date)).toBe('check-first');
  expect(knownAt(NOW.date + MINUTE)).toBe('check-first');
  // The clocks of two processes differ a little.
  expect(knownAt(NOW.date + 1000)).toBe('serve');
  const provenance = { ...CURRENT.provenance, knownAt: undefined };
  expect(of({ ...CURRENT, provenance, storedAt: ago(MINUTE / 2).date })).toBe('serve');
  expect(of({ ...CURRENT, provenance, storedAt: ago(2 * MINUTE).date })).toBe('check-first');
});

test('An artifact that another process stored after a later check is current, if stale answers are allowed', () => {
  const provenance = { ...STALE.provenance, knownAt: ago(1000).date };
  const artifact = { ...STALE, provenance };
  const current = (policy: FreshnessPolicy, upstream: UpstreamState) =>
    isCurrent(SNAPSHOT, artifact, upstream, policy);
  // Dates far ahead of this clock are not believed: the test's are in the past.
  expect(current(DEFAULTS, CHECKED)).toBe(true);
  expect(current(NO_STALE, CHECKED)).toBe(false);
  expect(current(NO_STALE, JUST_FAILED)).toBe(true);
  expect(current(DEFAULTS, { ...CHECKED, checkedAt: NOW })).toBe(false);
});

const HOUR = 60 * MINUTE;
const NOT_CHECKED = { isChecked: false, isBuilding: false };
const MOVED = { digest: 'old', checkedAt: ago(5 * HOUR), movedAt: ago(4 * HOUR).time };

/** The decision for a snapshot, as far as a policy of `staleWhileRevalidate` alone decides. */
function decideAfter(
  artifact: StoredState,
  staleWhileRevalidate: number,
  upstream: Partial<UpstreamState>,
) {
  const policy = policyOf({ staleWhileRevalidate });
  return decide(SNAPSHOT, artifact, { ...CHECKED, ...upstream }, policy, NOW, NOT_CHECKED);
}

describe('staleWhileRevalidate counts', () => {
  const knownLongAgo = ago(30 * HOUR).date;

  test('from maxAge after the last check', () => {
    const idle = { checkedAt: ago(10 * HOUR), triedAt: ago(10 * HOUR).time };
    const current = stored({ digest: 'new', knownAt: knownLongAgo });
    expect(decideAfter(current, 10 * HOUR - MINUTE + 1, idle)).toBe('serve-and-check');
    expect(decideAfter(current, 10 * HOUR - MINUTE - 1, idle)).toBe('check-first');
    expect(decideAfter(current, Number.POSITIVE_INFINITY, idle)).toBe('serve-and-check');
    // Another process has checked since.
    expect(decideAfter(CURRENT, HOUR, idle)).toBe('serve-and-check');
  });

  test('if this process has made no check, from maxAge after the one before the build', () => {
    const started = { checkedAt: undefined, triedAt: undefined, digest: undefined };
    const current = stored({ digest: 'new', knownAt: ago(10 * HOUR).date });
    expect(decideAfter(current, 10 * HOUR - MINUTE + 1, started)).toBe('serve-and-check');
    expect(decideAfter(current, 10 * HOUR - MINUTE - 1, started)).toBe('check-first');
  });

  test('from when refs had moved, if that was earlier, however often they have moved since', () => {
    const later = { digest: 'newer', checkedAt: ago(HOUR), movedAt: ago(HOUR).time };
    const soon = { ...MOVED, movedAt: ago(5 * HOUR - 1000).time };
    expect(decideAfter(STALE, 5 * HOUR - MINUTE + 1, { past: [later, MOVED] })).toBe(
      'serve-and-build',
    );
    expect(decideAfter(STALE, 5 * HOUR - MINUTE - 1, { past: [later, MOVED] })).toBe('build');
    expect(decideAfter(STALE, 5 * HOUR - 999, { past: [later, soon] })).toBe('serve-and-build');
    expect(decideAfter(STALE, 5 * HOUR - 1001, { past: [later, soon] })).toBe('build');
  });

  test('not from a check that comes after a long pause: then the client waits', () => {
    const past = [{ digest: 'old', checkedAt: ago(90 * 24 * HOUR), movedAt: ago(1).time }];
    expect(decideAfter(STALE, 24 * HOUR, { past })).toBe('build');
  });

  test('if it is unknown when refs have moved, from the check before the build', () => {
    const stale = stored({ digest: 'old', knownAt: ago(10 * HOUR).date });
    expect(decideAfter(stale, 10 * HOUR + 1, {})).toBe('serve-and-build');
    expect(decideAfter(stale, 10 * HOUR - 1, {})).toBe('build');
  });

  test('from now for an artifact of another format', () => {
    expect(decideAfter({ ...CURRENT, isOfOtherFormat: true }, 1, {})).toBe('serve-and-build');
  });
});

test('staleIfError counts from maxAge after the last check by which the artifact was current', () => {
  const failing = { ...JUST_FAILED, past: [MOVED] };
  const of = (artifact: StoredState, staleIfError: number) => {
    const policy = policyOf({ staleWhileRevalidate: 0, staleIfError });
    return decide(SNAPSHOT, artifact, failing, policy, NOW, NOT_CHECKED);
  };
  expect(of(CURRENT, MINUTE + 1)).toBe('serve');
  expect(of(CURRENT, MINUTE - 1)).toBe('fail');
  expect(of(STALE, 5 * HOUR - MINUTE + 1)).toBe('serve-and-build');
  expect(of(STALE, 5 * HOUR - MINUTE - 1)).toBe('fail');
});

test('Within staleWhileRevalidate no client gets the failure of a check', () => {
  const policy = policyOf({ staleIfError: 0 });
  expect(decide(SNAPSHOT, CURRENT, JUST_FAILED, policy, NOW, NOT_CHECKED)).toBe('serve');
});

describe('A rebuild waits for minRebuildInterval', () => {
  const moved = { digest: 'old', checkedAt: ago(2 * MINUTE), movedAt: ago(MINUTE).time };
  const delay = (id: ArtifactId, change: Partial<StoredState>, policy = DEFAULTS) =>
    rebuildDelay(id, { ...STALE, ...change }, { ...CHECKED, past: [moved] }, policy, NOW);

  test('since the last build, and never longer, if it is of a default snapshot of the present format', () => {
    expect(delay(SNAPSHOT, {})).toBe(4 * MINUTE);
    expect(delay({ ...SNAPSHOT, depth: 1 }, {})).toBe(0);
    expect(delay(SNAPSHOT, { isOfOtherFormat: true })).toBe(0);
    expect(delay(SNAPSHOT, { storedAt: ago(5 * MINUTE).date })).toBe(0);
    expect(delay(SNAPSHOT, { storedAt: NOW.date + MINUTE })).toBe(5 * MINUTE);
  });

  test('but for no more than half of staleWhileRevalidate, so that no client waits for it', () => {
    expect(delay(SNAPSHOT, {}, NO_STALE)).toBe(0);
    expect(delay(SNAPSHOT, {}, policyOf({ staleWhileRevalidate: 4 * MINUTE }))).toBeCloseTo(MINUTE);
    expect(delay(SNAPSHOT, {}, policyOf({ staleWhileRevalidate: MINUTE }))).toBe(0);
    const infinite = policyOf({ staleWhileRevalidate: Number.POSITIVE_INFINITY });
    expect(delay(SNAPSHOT, {}, infinite)).toBe(4 * MINUTE);
  });
});
