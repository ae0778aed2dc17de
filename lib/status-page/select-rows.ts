import {
  type RepositoryPage,
  type RepositoryRow,
  type RepositoryState,
  type SortKey,
  STATES,
} from './messages.js';

/** Rows of one answer. */
export const MAX_ROWS = 100;

export interface Selection {
  /** Words that the name must contain, in any case. */
  readonly filter: string;
  readonly state: RepositoryState | undefined;
  readonly sort: SortKey;
  readonly isDescending: boolean;
  readonly offset: number;
}

type Value = string | number | undefined;

/** By which value rows are sorted. The smaller age is of the later time. */
const VALUES: Readonly<Record<SortKey, (row: RepositoryRow) => Value>> = {
  name: ({ name }) => name,
  state: ({ state }) => STATES.indexOf(state),
  age: ({ storedAt }) => storedAt && -storedAt,
  size: ({ size }) => size,
  hits: ({ hits }) => hits,
  checked: ({ checkedAt }) => checkedAt && -checkedAt,
  error: ({ failure }) => failure?.code,
};

/** Filters and sorts all rows, and takes a part. Cost: `n log n` for the rows that pass the filter. */
export function selectRows(
  all: readonly RepositoryRow[],
  { filter, state, sort, isDescending, offset }: Selection,
): Omit<RepositoryPage, 'listedAt' | 'failure'> {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const states = Object.fromEntries(STATES.map((each) => [each, 0])) as RepositoryPage['states'];
  const counts = { ...states };
  for (const row of all) counts[row.state]++;
  const matching = all.filter((row) => {
    if (state !== undefined && row.state !== state) return false;
    const name = row.name.toLowerCase();
    return words.every((word) => name.includes(word));
  });
  matching.sort(comparison(VALUES[sort], isDescending));
  // A page that is behind the last row, because rows were removed, is the last page.
  const last = Math.max(0, Math.ceil(matching.length / MAX_ROWS) - 1) * MAX_ROWS;
  const start = Math.min(offset, last);
  return {
    rows: matching.slice(start, start + MAX_ROWS),
    offset: start,
    matching: matching.length,
    total: all.length,
    states: counts,
  };
}

/** Rows without a value are last, in both directions. Equal rows are sorted by name. */
function comparison(valueIn: (row: RepositoryRow) => Value, isDescending: boolean) {
  return (one: RepositoryRow, other: RepositoryRow): number => {
    const [a, b] = [valueIn(one), valueIn(other)];
    if (a === undefined || b === undefined) {
      if (a !== b) return a === undefined ? 1 : -1;
    } else if (a !== b) {
      return a < b === isDescending ? 1 : -1;
    }
    return one.name < other.name ? -1 : 1;
  };
}
