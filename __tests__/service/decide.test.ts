import { bundleBasis } from '../../lib/artifact/etag.js';
import { type ArtifactId, defaultSnapshot } from '../../lib/artifact/id.js';
import { after, LONG_AGO, momentOf, thisMoment } from '../../lib/async/clock.js';
import { parseOptions } from '../../lib/config/options.js';
import { SnapshotError } from '../../lib/errors.js';
import { decide, isCurrent, rebuildDelay, type StoredState } from '../../lib/service/decide.js';
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

const policyOf = (mode: 'strict' | 'stale-while-revalidate') =>
  parseOptions({ dataDir: 'unused', hosts: { 'git.test': {} }, freshness: { mode } }).freshness;

function stored(change: Partial<StoredState> & { digest?: string; basis?: string }): StoredState {
  const { digest, basis, ...rest } = change;
  return {
    storedAt: ago(MINUTE).date,
    provenance: { basis, format: undefined, digest, knownAt: undefined },
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
  'a current bundle': [BUNDLE, stored({ basis: bundleBasis(HEAD) })],
  'a stale bundle': [BUNDLE, stored({ basis: 'old' })],
};

const CHECKED: UpstreamState = {
  requestedAt: undefined,
  checkedAt: ago(MINUTE / 2),
  triedAt: ago(MINUTE / 2).time,
  failure: undefined,
  failedAt: undefined,
  digest: 'new',
  head: HEAD,
  pausedUntil: LONG_AGO,
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
  'host paused by `Retry-After`': { ...DUE, pausedUntil: after(NOW.time, 1) },
  'refused for longer than `forgetAfter`': { ...DUE, isForgotten: true },
  'the same, and the last check failed': { ...JUST_FAILED, isForgotten: true },
};

const { rows } = await readTable('docs/freshness.md', 'What a request gets');

test.each(rows.map((row) => [...row]))(
  'As the page says, stored: %s; upstream: %s; %s; strict: %s',
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
        const decided = (['stale-while-revalidate', 'strict'] as const).map((mode) =>
          decide(id, artifact, upstream, policyOf(mode), NOW, { isChecked: false, isBuilding }),
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
      const action = decide(id, artifact, upstream, policyOf('strict'), NOW, progress);
      expect(action).not.toBe('check-first');
    }
  }
});

test('Without any check, the check that stored an artifact counts, and a clock that was set back does not', () => {
  const upstream = { ...CHECKED, checkedAt: undefined, triedAt: undefined };
  const of = (storedAt: number) => {
    const artifact = stored({ digest: 'new', storedAt });
    const progress = { isChecked: false, isBuilding: false };
    return decide(SNAPSHOT, artifact, upstream, policyOf('strict'), NOW, progress);
  };
  expect(of(ago(MINUTE / 2).date)).toBe('serve');
  expect(of(ago(2 * MINUTE).date)).toBe('check-first');
  expect(of(NOW.date + MINUTE)).toBe('check-first');
});

test('An artifact that another process stored after a later check is current, except in mode strict', () => {
  const provenance = { ...STALE.provenance, knownAt: ago(1000).date };
  const artifact = { ...STALE, provenance };
  const inMode = (mode: 'strict' | 'stale-while-revalidate', upstream: UpstreamState) =>
    isCurrent(SNAPSHOT, artifact, upstream, { mode });
  // Dates far ahead of this clock are not believed: the test's are in the past.
  expect(inMode('stale-while-revalidate', CHECKED)).toBe(true);
  expect(inMode('strict', CHECKED)).toBe(false);
  expect(inMode('strict', JUST_FAILED)).toBe(true);
  expect(inMode('stale-while-revalidate', { ...CHECKED, checkedAt: NOW })).toBe(false);
});

test('Only a default snapshot of the present format waits for minRebuildInterval, and never longer', () => {
  const policy = policyOf('stale-while-revalidate');
  const delay = (id: ArtifactId, change: Partial<StoredState>, mode = policy.mode) =>
    rebuildDelay(id, { ...STALE, ...change }, { ...policy, mode }, NOW);
  expect(delay(SNAPSHOT, {})).toBe(4 * MINUTE);
  expect(delay({ ...SNAPSHOT, depth: 1 }, {})).toBe(0);
  expect(delay(SNAPSHOT, { isOfOtherFormat: true })).toBe(0);
  expect(delay(SNAPSHOT, {}, 'strict')).toBe(0);
  expect(delay(SNAPSHOT, { storedAt: ago(5 * MINUTE).date })).toBe(0);
  expect(delay(SNAPSHOT, { storedAt: NOW.date + MINUTE })).toBe(5 * MINUTE);
});
