import { inBytes } from '../../in-bytes.js';
import type { Overview, RunningJob } from '../messages.js';
import { serverNow } from './clock.js';
import { byId, element, setAttribute, setChildren, setText } from './dom.js';
import { count, duration, visible } from './format.js';
import { JOB_LABELS } from './labels.js';

/** Jobs that the page shows one by one. */
const MAX_SHOWN = 10;

interface Item {
  job: RunningJob;
  readonly root: HTMLElement;
  readonly time: HTMLElement;
  readonly bar: HTMLElement;
  readonly fill: HTMLElement;
  readonly caption: HTMLElement;
  readonly message: HTMLElement;
}

/** The clones, fetches and builds that run, with their progress. */
export class JobsView {
  readonly #list = byId('jobs', HTMLElement);
  readonly #more = byId('more-jobs', HTMLElement);
  readonly #items = new Map<string, Item>();

  show({ jobs, jobCount }: Overview): void {
    const shown = jobs.slice(0, MAX_SHOWN);
    const ids = new Set(shown.map(({ id }) => id));
    for (const id of this.#items.keys()) if (!ids.has(id)) this.#items.delete(id);
    const roots = shown.map((job) => {
      const item = this.#items.get(job.id) ?? newItem(job);
      this.#items.set(job.id, item);
      item.job = job;
      update(item);
      return item.root;
    });
    setChildren(this.#list, roots);
    const others = jobCount - shown.length;
    const none = jobCount === 0 ? 'Nothing runs at the moment.' : '';
    setText(this.#more, others > 0 ? `${count(others)} more run.` : none);
  }

  /** Shows how long the jobs have run by now. */
  tick(): void {
    for (const item of this.#items.values()) update(item);
  }
}

function newItem(job: RunningJob): Item {
  const kind = element('span', { class: 'kind', text: JOB_LABELS[job.kind] });
  const name = element('bdi', { class: 'name', text: visible(job.name) });
  const variant = element('span', { class: 'variant', text: visible(job.variant ?? '') });
  const time = element('span', { class: 'number' });
  const fill = element('span', { class: 'fill' });
  const label = {
    role: 'progressbar',
    'aria-label': `${JOB_LABELS[job.kind]} of ${visible(job.name)}`,
  };
  const bar = element('div', { class: 'bar', attributes: label }, fill);
  const caption = element('p', { class: 'caption' });
  const message = element('p', { class: 'caption message' });
  const top = element('div', { class: 'job-text' }, kind, name, variant, time);
  const root = element('li', { class: 'job' }, top, bar, caption, message);
  return { job, root, time, bar, fill, caption, message };
}

function update({ job, time, bar, fill, caption, message }: Item): void {
  const { progress, startedAt } = job;
  setText(time, duration(serverNow() - startedAt));
  const total = progress?.totalObjects;
  const isReceiving = progress?.phase === 'receiving' && total !== undefined;
  const part = isReceiving ? Math.min(1, progress.receivedObjects / Math.max(1, total)) : undefined;
  const percent = part === undefined ? undefined : String(Math.floor(part * 100));
  bar.classList.toggle('indeterminate', part === undefined);
  setAttribute(bar, 'aria-valuemin', percent && '0');
  setAttribute(bar, 'aria-valuemax', percent && '100');
  setAttribute(bar, 'aria-valuenow', percent);
  fill.style.inlineSize = part === undefined ? '' : `${part * 100}%`;
  setText(caption, captionOf(job, percent));
  setText(message, progress?.message === undefined ? '' : visible(progress.message));
}

function captionOf({ progress, kind }: RunningJob, percent: string | undefined): string {
  if (progress === undefined) return kind === 'build' ? 'Writing the artifact' : '';
  const { phase, receivedBytes, receivedObjects, totalObjects } = progress;
  if (phase === 'waiting') return 'Waiting for the upstream';
  const received = inBytes(receivedBytes);
  if (phase === 'resolving') return `Received ${received}; resolving deltas`;
  if (totalObjects === undefined) return `Received ${received}`;
  const objects = `${count(receivedObjects)} of ${count(totalObjects)} objects`;
  return `${percent} % · ${objects} · ${received}`;
}
