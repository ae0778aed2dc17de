import type { RepositoryState, RowActivity, SortKey } from '../messages.js';

export const STATE_LABELS: Readonly<Record<RepositoryState, string>> = {
  failing: 'Failing',
  current: 'Current',
  stale: 'Stale',
  mirrored: 'Mirror only',
  absent: 'Not stored',
};

/** Signs that differ in shape, not only in colour. */
export const STATE_SIGNS: Readonly<Record<RepositoryState, string>> = {
  failing: '▲',
  current: '●',
  stale: '◐',
  mirrored: '○',
  absent: '–',
};

export const ACTIVITY_LABELS: Readonly<Record<RowActivity, string>> = {
  clone: 'cloning',
  fetch: 'checking',
  build: 'building',
  store: 'storing',
  repack: 'repacking',
  refresh: 'refreshing',
  remove: 'removing',
};

export const JOB_LABELS = {
  clone: 'Clone',
  fetch: 'Fetch',
  build: 'Build',
  store: 'Store',
  repack: 'Repack',
} as const;

export const SORT_LABELS: Readonly<Record<SortKey, string>> = {
  name: 'Repository',
  state: 'State',
  age: 'Age',
  size: 'Size',
  hits: 'Hits',
  checked: 'Last check',
  error: 'Last error',
};
