import { inBytes } from '../../in-bytes.js';
import type { Overview, RepositoryPage } from '../messages.js';
import { serverNow, setClock } from './clock.js';
import { byId, element, setAttribute, setChildren, setText } from './dom.js';
import { count, counted, duration, visible } from './format.js';
import { STATE_LABELS, STATE_SIGNS } from './labels.js';

const QUEUES = {
  clones: 'Clones',
  fetches: 'Checks and fetches',
  builds: 'Builds',
  queries: 'Queries',
  repacks: 'Repacks',
} as const;

interface Meter {
  readonly root: HTMLElement;
  readonly value: HTMLElement;
  readonly bar: HTMLElement;
  readonly fill: HTMLElement;
}

/** The panels at the top: counts, queues, disk. */
export class OverviewView {
  readonly #total = byId('total', HTMLElement);
  readonly #states = byId('states', HTMLElement);
  readonly #threads = byId('threads', HTMLElement);
  readonly #disk = byId('disk', HTMLElement);
  readonly #footnote = byId('footnote', HTMLElement);
  readonly #cells = new Map<string, HTMLElement>();
  readonly #meters = new Map<string, Meter>();

  constructor() {
    const work = byId('work', HTMLElement);
    for (const [queue, label] of Object.entries(QUEUES)) {
      const running = element('td', { class: 'number', text: '–' });
      const queued = element('td', { class: 'number', text: '–' });
      this.#cells.set(`${queue} running`, running).set(`${queue} queued`, queued);
      const head = element('th', { text: label, attributes: { scope: 'row' } });
      work.append(element('tr', {}, head, running, queued));
    }
  }

  show(overview: Overview): void {
    setClock(overview.now);
    setText(this.#total, count(overview.repositories));
    for (const [queue, load] of Object.entries(overview.work)) {
      for (const [column, value] of Object.entries(load)) {
        const cell = this.#cells.get(`${queue} ${column}`);
        if (cell === undefined) continue;
        setText(cell, count(value));
        cell.classList.toggle('zero', value === 0);
      }
    }
    const { mirrors, builds } = overview.threads;
    const busy = count(mirrors.busy + builds.busy);
    setText(this.#threads, `Threads: ${busy} busy, ${count(mirrors.idle + builds.idle)} idle`);
    this.#showDisk(overview);
    const age = duration(serverNow() - overview.since);
    setText(
      this.#footnote,
      `Hits are those of this process in the last ${age}, since it made this page.`,
    );
  }

  showStates({ states, total }: RepositoryPage): void {
    setText(this.#total, count(total));
    const items = Object.entries(STATE_LABELS).flatMap(([state, label]) => {
      const value = states[state as keyof typeof states];
      if (value === 0) return [];
      const sign = element('span', {
        class: 'sign',
        text: STATE_SIGNS[state as keyof typeof states],
        attributes: { 'aria-hidden': 'true' },
      });
      const text = element('span', { text: `${count(value)} ${label.toLowerCase()}` });
      return [element('li', { class: `state ${state}` }, sign, text)];
    });
    this.#states.replaceChildren(...items);
  }

  #showDisk({ mirrorUsage, storeUsage, disk, mirrors, usageFailure }: Overview): void {
    const meters: HTMLElement[] = [];
    if (mirrorUsage !== undefined) {
      const label = counted(mirrors, 'mirror', 'mirrors');
      meters.push(this.#meter('mirrors', label, mirrorUsage.bytes, mirrorUsage.maxBytes));
    }
    if (storeUsage !== undefined) {
      meters.push(this.#meter('store', 'Snapshots', storeUsage.bytes, storeUsage.maxBytes));
    }
    if (disk !== undefined) {
      const used = disk.bytes - disk.freeBytes;
      const text = `${inBytes(disk.freeBytes)} free of ${inBytes(disk.bytes)}`;
      meters.push(this.#meter('disk', 'Whole disk', used, disk.bytes, text));
    }
    const why = usageFailure && visible(`${usageFailure.code}: ${usageFailure.message}`);
    const none = element('p', { class: 'caption', text: why ?? 'Not known yet.' });
    setChildren(this.#disk, meters.length === 0 ? [none] : meters);
  }

  #meter(name: string, label: string, value: number, max: number, text?: string): HTMLElement {
    const meter = this.#meters.get(name) ?? newMeter(label);
    this.#meters.set(name, meter);
    const part = max === 0 ? 1 : Math.min(1, value / max);
    const said = text ?? `${inBytes(value)} of ${inBytes(max)}`;
    const [caption] = meter.root.getElementsByTagName('span');
    if (caption !== undefined) setText(caption, label);
    setText(meter.value, said);
    setAttribute(meter.bar, 'aria-label', label);
    setAttribute(meter.bar, 'aria-valuenow', String(Math.round(part * 100)));
    setAttribute(meter.bar, 'aria-valuetext', said);
    meter.bar.classList.toggle('nearly-full', part >= 0.9);
    meter.fill.style.inlineSize = `${part * 100}%`;
    return meter.root;
  }
}

function newMeter(label: string): Meter {
  const value = element('span', { class: 'number' });
  const fill = element('span', { class: 'fill' });
  const range = { role: 'meter', 'aria-valuemin': '0', 'aria-valuemax': '100' };
  const bar = element('div', { class: 'bar', attributes: range }, fill);
  const caption = element('span', { text: label });
  const top = element('div', { class: 'meter-text' }, caption, value);
  return { root: element('div', { class: 'meter' }, top, bar), value, bar, fill };
}
