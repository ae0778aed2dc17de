import type { ServerResponse } from 'node:http';
import { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import { CoalescedTask } from './coalesced-task.js';
import { EventStream } from './event-stream.js';
import type { Overview, RowsChanged } from './messages.js';
import type { OverviewSource } from './overview.js';
import type { RepositoryTable } from './repository-table.js';
import { MAX_ROWS } from './select-rows.js';

/** Milliseconds between updates, at least. */
const UPDATE_INTERVAL = 500;
/** Milliseconds between heartbeats: a page that gets none for longer asks instead. */
const HEARTBEAT_INTERVAL = 5_000;
/** Milliseconds after which a stream ends. The page opens another, so the host's login is asked again. */
const MAX_STREAM = 10 * 60_000;
/** Milliseconds for which the table is kept after the last visitor. */
const KEPT = 5 * 60_000;

export interface LiveParts {
  readonly table: RepositoryTable;
  readonly overview: OverviewSource;
  readonly maxStreams: number;
  /** Gets errors that no request shows. */
  readonly report: (error: unknown) => void;
}

/** Sends changes to the pages that are open. Does nothing while there are none. */
export class LiveUpdates {
  readonly #parts: LiveParts;
  readonly #streams = new Set<EventStream>();
  readonly #overviews: CoalescedTask;
  readonly #rows: CoalescedTask;
  /** Repositories whose rows changed. */
  readonly #changed = new Set<string>();
  #mustReload = false;
  /** The last overview, without its time. */
  #sent = '';
  #heartbeat: NodeJS.Timeout | undefined;
  #forgetting: NodeJS.Timeout | undefined;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    const { report } = parts;
    this.#overviews = new CoalescedTask(() => this.#sendOverview(), UPDATE_INTERVAL, report);
    this.#rows = new CoalescedTask(() => this.#sendRows(), UPDATE_INTERVAL, report);
  }

  /** @throws SnapshotError `OVERLOADED` when there are too many streams. */
  open(res: ServerResponse): void {
    if (this.#streams.size >= this.#parts.maxStreams) {
      throw new SnapshotError('OVERLOADED', 'too many status pages have live updates');
    }
    const stream = new EventStream(res);
    this.#streams.add(stream);
    res.on('close', () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#pause();
    });
    this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT_INTERVAL).unref();
    stream.send('overview', JSON.stringify(this.#parts.overview.read()));
    this.visit();
  }

  /** Somebody looks at the page: lists the repositories again if that is due, in the background. */
  visit(): void {
    const { table } = this.#parts;
    clearTimeout(this.#forgetting);
    this.#forgetting = setTimeout(() => {
      if (this.#streams.size === 0) table.forget();
    }, KEPT).unref();
    if (!table.isDue) return;
    void table.list().then(() => {
      this.#mustReload = true;
      this.#rows.request();
    });
  }

  rowChanged(repository: RepositoryId): void {
    if (this.#streams.size === 0) return;
    // Beyond that, pages request their rows again.
    if (this.#changed.size <= MAX_ROWS) this.#changed.add(repositoryKey(repository));
    this.#rows.request();
  }

  overviewChanged(): void {
    if (this.#streams.size > 0) this.#overviews.request();
  }

  close(): void {
    for (const stream of this.#streams) stream.end();
    this.#pause();
    clearTimeout(this.#forgetting);
  }

  #pause(): void {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#overviews.stop();
    this.#rows.stop();
    this.#changed.clear();
  }

  #beat(): void {
    for (const stream of this.#streams) {
      stream.cutIfStalled();
      if (Date.now() - stream.openedAt > MAX_STREAM) stream.end();
      else stream.send('heartbeat', '{}');
      if (stream.hasMissed) this.#mustReload = true;
    }
    if (this.#mustReload) {
      // It may be the last overview that was missed.
      this.#sent = '';
      this.#rows.request();
    }
    this.#overviews.request();
    this.visit();
  }

  async #sendOverview(): Promise<void> {
    const overview = this.#parts.overview.read();
    const { now: _, ...rest } = overview;
    const comparable = JSON.stringify(rest);
    if (comparable === this.#sent) return;
    this.#sent = comparable;
    this.#send('overview', overview);
  }

  async #sendRows(): Promise<void> {
    const { table } = this.#parts;
    // Before the statuses are read: what changes meanwhile is sent the next time.
    const names = [...this.#changed];
    const reload = this.#mustReload || names.length > MAX_ROWS;
    this.#changed.clear();
    this.#mustReload = false;
    await table.reread();
    const rows = reload ? [] : await table.rows(names);
    const kept = new Set(rows.map(({ name }) => name));
    const removed = reload ? [] : names.filter((name) => !kept.has(name));
    if (!reload && names.length === 0) return;
    for (const stream of this.#streams) stream.hasMissed = false;
    this.#send('rows', { rows, removed, reload });
  }

  #send(event: 'overview', data: Overview): void;
  #send(event: 'rows', data: RowsChanged): void;
  #send(event: string, data: object): void {
    const text = JSON.stringify(data);
    for (const stream of this.#streams) stream.send(event, text);
  }
}
