import { inBytes } from '../../in-bytes.js';
import type { RepositoryRow } from '../messages.js';
import { element, setChildren, setText } from './dom.js';
import { count, counted, date, visible } from './format.js';
import { restoreCommand } from './restore-command.js';
import type { RowContext } from './row-context.js';

/** Columns of the table. */
const COLUMNS = '8';

/** What the row of a repository has no room for. */
export class RowDetails {
  readonly root: HTMLTableRowElement;
  readonly #facts = element('dl', { class: 'facts' });
  readonly #failure = element('p', { class: 'failure' });

  constructor(id: string, row: RepositoryRow, context: RowContext) {
    const { name } = row;
    const command = restoreCommand(name, context.snapshotsUrl);
    const code = element('code', { text: command });
    const copy = element('button', { text: 'Copy', attributes: { type: 'button' } });
    copy.addEventListener('click', () => context.copy(command, copy));
    const pre = element('pre', { attributes: { tabindex: '0', 'aria-label': 'Command' } }, code);
    const restore = element('div', { class: 'command' }, pre, copy);
    const title = element('h3', { text: 'Restore it' });
    const buttons = element('p', { class: 'buttons' });
    for (const action of context.actions) {
      const isRemoval = action === 'remove';
      const button = element('button', {
        class: isRemoval ? 'danger' : '',
        text: isRemoval ? 'Remove…' : 'Refresh now',
        attributes: { type: 'button' },
      });
      button.addEventListener('click', () => context.act(action, name));
      buttons.append(button);
    }
    const parts = [this.#failure, title, restore, this.#facts];
    if (context.actions.length > 0) parts.push(buttons);
    const cell = element('td', { attributes: { colspan: COLUMNS, role: 'cell' } }, ...parts);
    this.root = element('tr', { class: 'details', attributes: { id, role: 'row' } }, cell);
    this.show(row);
  }

  show(row: RepositoryRow): void {
    const { failure } = row;
    const when = failure?.at === undefined ? '' : ` on ${date(failure.at)}`;
    const text = failure && `${failure.code} during ${failure.during}${when}: ${failure.message}`;
    setText(this.#failure, visible(text ?? ''));
    this.#failure.hidden = failure === undefined;
    const facts = factsOf(row).map(([term, value]) => {
      const name = element('dt', { text: term });
      // A commit needs more room.
      const className = value.length > 30 ? 'wide' : '';
      return element('div', { class: className }, name, element('dd', { text: value }));
    });
    const before = this.#facts.textContent;
    const after = facts.map(({ textContent }) => textContent).join('');
    if (before !== after) setChildren(this.#facts, facts);
  }
}

function factsOf(row: RepositoryRow): [string, string][] {
  const { mirrorBytes, packs } = row;
  const mirror =
    mirrorBytes === undefined
      ? 'none'
      : `${inBytes(mirrorBytes)} in ${counted(packs ?? 0, 'pack', 'packs')}`;
  const when = (time: number | undefined) => (time === undefined ? 'never' : date(time));
  return [
    ['Commit', row.commit ?? 'none'],
    ['Snapshot stored', when(row.storedAt)],
    ['Last check', when(row.checkedAt)],
    ['Last request', when(row.requestedAt)],
    ['Mirror', mirror],
    ['Misses', count(row.misses)],
  ];
}
