import { type RepositoryState, SORT_KEYS, type SortKey, STATES } from '../messages.js';

/** Which repositories the visitor wants to see, and in which order. Part of the page's address. */
export interface Selection {
  readonly filter: string;
  readonly state: RepositoryState | '';
  readonly sort: SortKey;
  readonly isDescending: boolean;
  readonly offset: number;
}

const START: Selection = { filter: '', state: '', sort: 'name', isDescending: false, offset: 0 };

export function readSelection(): Selection {
  const query = new URLSearchParams(location.search);
  const state = STATES.find((each) => each === query.get('state')) ?? '';
  const sort = SORT_KEYS.find((each) => each === query.get('sort')) ?? START.sort;
  const offset = Number(query.get('offset') ?? 0);
  return {
    filter: (query.get('filter') ?? '').slice(0, 500),
    state,
    sort,
    isDescending: query.get('order') === 'descending',
    offset: Number.isSafeInteger(offset) && offset > 0 && offset < 1e9 ? offset : 0,
  };
}

/** Only what differs from the start. */
export function queryOf({ filter, state, sort, isDescending, offset }: Selection): URLSearchParams {
  const query = new URLSearchParams();
  if (filter !== START.filter) query.set('filter', filter);
  if (state !== START.state) query.set('state', state);
  if (sort !== START.sort) query.set('sort', sort);
  if (isDescending) query.set('order', 'descending');
  if (offset !== 0) query.set('offset', String(offset));
  return query;
}

/** Puts the selection into the page's address, so that a reload and a link show the same. */
export function writeSelection(selection: Selection): void {
  const query = queryOf(selection).toString();
  history.replaceState(null, '', query === '' ? location.pathname : `?${query}`);
}
