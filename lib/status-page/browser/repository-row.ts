import { inBytes } from '../../in-bytes.js';
import type { RepositoryRow } from '../messages.js';
import { serverNow } from './clock.js';
import { element, setAttribute, setText } from './dom.js';
import { count, date, duration, visible } from './format.js';
import { ACTIVITY_LABELS, STATE_LABELS, STATE_SIGNS } from './labels.js';
import { restoreCommand } from './restore-command.js';
import type { RowContext } from './row-context.js';
import { RowDetails } from './row-details.js';

let made = 0;

/** The row of a repository, and the details below it, which a button opens. */
export class RowView {
  readonly main: HTMLTableRowElement;
  readonly #context: RowContext;
  readonly #id = `details-${++made}`;
  readonly #toggle: HTMLButtonElement;
  readonly #state = element('span');
  readonly #cells: Readonly<Record<'age' | 'size' | 'hits' | 'checked' | 'error', HTMLElement>>;
  #details: RowDetails | undefined;
  #row: RepositoryRow;

  constructor(row: RepositoryRow, context: RowContext) {
    this.#row = row;
    this.#context = context;
    const name = visible(row.name);
    const slash = name.indexOf('/');
    const host = element('span', { class: 'host', text: name.slice(0, slash + 1) });
    const path = element('span', { class: 'path', text: name.slice(slash + 1) });
    const expanded = { 'aria-expanded': 'false', type: 'button' };
    const text = element('bdi', { class: 'name' }, host, path);
    this.#toggle = element('button', { class: 'toggle', attributes: expanded }, text);
    this.#toggle.addEventListener('click', () => this.#toggleDetails());
    this.#cells = {
      age: element('td', { class: 'number', attributes: labelled('Age') }),
      size: element('td', { class: 'number', attributes: labelled('Size') }),
      hits: element('td', { class: 'number', attributes: labelled('Hits') }),
      checked: element('td', { class: 'number', attributes: labelled('Last check') }),
      error: element('td', { class: 'error', attributes: labelled('Last error') }),
    };
    const { age, size, hits, checked, error } = this.#cells;
    this.main = element(
      'tr',
      { attributes: { role: 'row' } },
      element(
        'th',
        { class: 'repository', attributes: { scope: 'row', role: 'rowheader' } },
        this.#toggle,
      ),
      element('td', { class: 'state-cell', attributes: labelled('State') }, this.#state),
      age,
      size,
      hits,
      checked,
      error,
      element('td', { class: 'copy-cell', attributes: { role: 'cell' } }, this.#copyButton(name)),
    );
    this.show(row);
  }

  /** The row, and its details if they are open. */
  get elements(): HTMLElement[] {
    return this.#details === undefined ? [this.main] : [this.main, this.#details.root];
  }

  show(row: RepositoryRow): void {
    this.#row = row;
    const { activity, state, storedAt, size, hits, checkedAt, failure } = row;
    const sign = element('span', {
      class: 'sign',
      text: STATE_SIGNS[state],
      attributes: { 'aria-hidden': 'true' },
    });
    const label = element('span', { text: STATE_LABELS[state] });
    const now = activity && element('span', { class: 'activity', text: ACTIVITY_LABELS[activity] });
    this.#state.className = `state ${state}`;
    this.#state.replaceChildren(sign, label, ...(now ? [now] : []));
    const cells = this.#cells;
    showTime(cells.age, storedAt);
    showValue(cells.size, size === undefined ? undefined : inBytes(size));
    showValue(cells.hits, hits === 0 ? undefined : count(hits), '0');
    showTime(cells.checked, checkedAt);
    showValue(cells.error, failure?.code);
    setAttribute(cells.error, 'title', failure && visible(failure.message));
    this.#details?.show(row);
  }

  /** Shows ages as of now. */
  tick(): void {
    showTime(this.#cells.age, this.#row.storedAt);
    showTime(this.#cells.checked, this.#row.checkedAt);
  }

  #toggleDetails(): void {
    if (this.#details === undefined) {
      this.#details = new RowDetails(this.#id, this.#row, this.#context);
      this.main.after(this.#details.root);
    } else {
      this.#details.root.remove();
      this.#details = undefined;
    }
    setAttribute(this.#toggle, 'aria-expanded', String(this.#details !== undefined));
    setAttribute(this.#toggle, 'aria-controls', this.#details && this.#id);
    this.main.classList.toggle('open', this.#details !== undefined);
  }

  #copyButton(name: string): HTMLElement {
    const attributes = { type: 'button', 'aria-label': `Copy command that restores ${name}` };
    const button = element('button', { class: 'quiet', text: 'Copy command', attributes });
    button.addEventListener('click', () => {
      const { snapshotsUrl } = this.#context;
      this.#context.copy(restoreCommand(this.#row.name, snapshotsUrl), button);
    });
    return button;
  }
}

function labelled(label: string): Record<string, string> {
  return { role: 'cell', 'data-label': label };
}

function showValue(cell: HTMLElement, text: string | undefined, otherwise = '–'): void {
  setText(cell, text ?? otherwise);
  cell.classList.toggle('zero', text === undefined);
}

function showTime(cell: HTMLElement, time: number | undefined): void {
  showValue(cell, time === undefined ? undefined : duration(serverNow() - time));
  setAttribute(cell, 'title', time === undefined ? undefined : date(time));
}
