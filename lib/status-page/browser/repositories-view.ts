import {
  type RepositoryPage,
  type RepositoryRow,
  type RowsChanged,
  SORT_KEYS,
  type SortKey,
  STATES,
} from '../messages.js';
import { byId, element, setAttribute, setChildren, setText } from './dom.js';
import { count, counted, visible } from './format.js';
import { SORT_LABELS, STATE_LABELS } from './labels.js';
import { RowView } from './repository-row.js';
import type { RowContext } from './row-context.js';
import type { Selection } from './selection.js';

/** Rows of a page, as the server sends them. */
const PAGE = 100;
/** Columns that begin with the largest value. */
const LARGEST_FIRST: readonly SortKey[] = ['size', 'hits'];
const NUMBERS: readonly SortKey[] = ['age', 'size', 'hits', 'checked'];

/** The table of repositories, with its filter, order and pages. */
export class RepositoriesView {
  readonly #context: RowContext;
  readonly #onSelect: (selection: Selection) => void;
  readonly #filter = byId('filter', HTMLInputElement);
  readonly #state = byId('state', HTMLSelectElement);
  readonly #sort = byId('sort', HTMLSelectElement);
  readonly #body = byId('rows', HTMLElement);
  readonly #empty = byId('empty', HTMLElement);
  readonly #matching = byId('matching', HTMLElement);
  readonly #pager = byId('pager', HTMLElement);
  readonly #previous = byId('previous', HTMLButtonElement);
  readonly #next = byId('next', HTMLButtonElement);
  readonly #listFailure = byId('list-failure', HTMLElement);
  readonly #heads = new Map<SortKey, HTMLElement>();
  #rows = new Map<string, RowView>();
  #selection: Selection;

  constructor(selection: Selection, context: RowContext, onSelect: (selection: Selection) => void) {
    this.#selection = selection;
    this.#context = context;
    this.#onSelect = onSelect;
    this.#makeHead();
    this.#makeControls();
  }

  show(page: RepositoryPage): void {
    const { rows, offset, matching, total } = page;
    this.#selection = { ...this.#selection, offset };
    const before = this.#rows;
    this.#rows = new Map(rows.map((row) => [row.name, this.#viewOf(row, before)]));
    setChildren(
      this.#body,
      [...this.#rows.values()].flatMap(({ elements }) => elements),
    );
    this.#showCounts(page);
    this.#showPager(offset, matching);
    this.#showHead();
    byId('table', HTMLElement).hidden = total === 0;
    this.#empty.hidden = rows.length > 0;
    setText(this.#empty, total === 0 ? nothingYet(page) : 'No repository matches.');
    const { failure } = page;
    this.#listFailure.hidden = failure === undefined;
    const why = failure && `${failure.code}: ${failure.message}`;
    setText(this.#listFailure, `The repositories could not be listed. ${visible(why ?? '')}`);
  }

  /** Changes the rows that are shown. Their order stays until the next request. */
  change({ rows, removed }: RowsChanged): void {
    for (const row of rows) this.#rows.get(row.name)?.show(row);
    for (const name of removed) {
      for (const each of this.#rows.get(name)?.elements ?? []) each.remove();
      this.#rows.delete(name);
    }
  }

  /** Whether a change is of rows that are not there yet. */
  lacks({ rows }: RowsChanged): boolean {
    return rows.some(({ name }) => !this.#rows.has(name)) && this.#rows.size < PAGE;
  }

  tick(): void {
    for (const row of this.#rows.values()) row.tick();
  }

  #viewOf(row: RepositoryRow, before: ReadonlyMap<string, RowView>): RowView {
    const view = before.get(row.name);
    if (view === undefined) return new RowView(row, this.#context);
    view.show(row);
    return view;
  }

  #select(change: Partial<Selection>): void {
    this.#selection = { ...this.#selection, offset: 0, ...change };
    this.#showHead();
    this.#onSelect(this.#selection);
  }

  #makeHead(): void {
    const head = byId('head', HTMLElement);
    // On a phone, the style makes cards of the rows: some browsers then forget that it is a table.
    setAttribute(byId('table', HTMLElement), 'role', 'table');
    setAttribute(head, 'role', 'row');
    for (const group of [head.parentElement, this.#body]) {
      if (group !== null) setAttribute(group, 'role', 'rowgroup');
    }
    for (const key of SORT_KEYS) {
      const button = element('button', { text: SORT_LABELS[key], attributes: { type: 'button' } });
      button.addEventListener('click', () => this.#sortBy(key));
      const attributes = { scope: 'col', role: 'columnheader' };
      const options = { class: NUMBERS.includes(key) ? 'number' : '', attributes };
      const cell = element('th', options, button);
      this.#heads.set(key, cell);
      head.append(cell);
      this.#sort.append(element('option', { text: SORT_LABELS[key], attributes: { value: key } }));
    }
    const attributes = { scope: 'col', role: 'columnheader' };
    const label = element('span', { class: 'hidden-text', text: 'Restore' });
    head.append(element('th', { attributes }, label));
  }

  #sortBy(sort: SortKey): void {
    const { sort: before, isDescending } = this.#selection;
    const first = LARGEST_FIRST.includes(sort);
    this.#select({ sort, isDescending: before === sort ? !isDescending : first });
  }

  #makeControls(): void {
    const { filter } = this.#selection;
    this.#filter.value = filter;
    byId('selection', HTMLFormElement).addEventListener('submit', (event) =>
      event.preventDefault(),
    );
    this.#filter.addEventListener('input', () => this.#select({ filter: this.#filter.value }));
    for (const state of ['', ...STATES]) {
      this.#state.append(element('option', { attributes: { value: state } }));
    }
    this.#showStateOptions();
    this.#state.value = this.#selection.state;
    this.#state.addEventListener('change', () => {
      this.#select({ state: STATES.find((each) => each === this.#state.value) ?? '' });
    });
    this.#sort.addEventListener('change', () => {
      const sort = SORT_KEYS.find((each) => each === this.#sort.value) ?? 'name';
      this.#select({ sort, isDescending: LARGEST_FIRST.includes(sort) });
    });
    const turn = (pages: number) => {
      this.#select({ offset: Math.max(0, this.#selection.offset + pages * PAGE) });
      byId('repositories', HTMLElement).scrollIntoView();
    };
    this.#previous.addEventListener('click', () => turn(-1));
    this.#next.addEventListener('click', () => turn(1));
  }

  #showStateOptions(states?: RepositoryPage['states']): void {
    for (const option of this.#state.options) {
      const state = STATES.find((each) => each === option.value);
      const label = state === undefined ? 'All' : STATE_LABELS[state];
      setText(option, state && states ? `${label} (${count(states[state])})` : label);
    }
  }

  #showHead(): void {
    const { sort, isDescending } = this.#selection;
    this.#sort.value = sort;
    for (const [key, cell] of this.#heads) {
      const order = isDescending ? 'descending' : 'ascending';
      setAttribute(cell, 'aria-sort', key === sort ? order : undefined);
    }
  }

  #showCounts({ matching, total, states }: RepositoryPage): void {
    const all = counted(total, 'repository', 'repositories');
    setText(this.#matching, matching === total ? all : `${count(matching)} of ${all}`);
    this.#showStateOptions(states);
  }

  #showPager(offset: number, matching: number): void {
    this.#pager.hidden = matching <= PAGE;
    const last = Math.min(matching, offset + PAGE);
    const text = `${count(offset + 1)}–${count(last)} of ${count(matching)}`;
    setText(byId('position', HTMLElement), text);
    this.#previous.disabled = offset === 0;
    this.#next.disabled = last >= matching;
  }
}

function nothingYet({ listedAt }: RepositoryPage): string {
  if (listedAt === undefined) return 'The service still looks for its repositories.';
  return 'No repository yet. The first request for a snapshot clones its repository.';
}
