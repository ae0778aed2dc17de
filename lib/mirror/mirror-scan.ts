import { setTimeout } from 'node:timers/promises';
import { toSnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import type { MirrorDirectory } from './disk/mirror-directory.js';
import type { SurveyedMirror } from './disk/survey.js';
import type { JobRunner } from './job-runner.js';
import type { KnownMirrors } from './known-mirrors.js';
import type { Mirror } from './mirror.js';

/** Mirrors between two pauses. */
const BATCH = 50;

export interface MirrorScanParts {
  readonly directory: MirrorDirectory;
  readonly mirrors: KnownMirrors;
  readonly jobs: JobRunner;
  readonly events: SnapshotEmitter;
  /** Called for each mirror that was not known. */
  readonly onFound: (mirror: Mirror) => void;
  /** Ends the scan. */
  readonly closing: AbortSignal;
}

/**
 * Finds all mirrors after a start, in the background and half of the time: the service may be busy
 * meanwhile. Requests open their mirrors themselves. At the end, evicts mirrors beyond the budget.
 */
export class MirrorScan {
  readonly #parts: MirrorScanParts;
  /** Aborts when a caller waits for the end. */
  readonly #hurry = new AbortController();
  /** Ends the pauses. */
  readonly #goOn: AbortSignal;
  #running: Promise<void> | undefined;
  #isDone = false;

  constructor(parts: MirrorScanParts) {
    this.#parts = parts;
    this.#goOn = AbortSignal.any([this.#hurry.signal, parts.closing]);
  }

  /** Whether all mirrors were found. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** @param paths of all mirrors. */
  begin(paths: readonly string[]): void {
    this.#running ??= this.#run(paths);
  }

  /** Goes on without pauses. Resolves when the scan has ended; at once if it has not begun. */
  async finish(): Promise<void> {
    this.#hurry.abort();
    await this.#running;
  }

  async #run(paths: readonly string[]): Promise<void> {
    const { closing, mirrors } = this.#parts;
    for (let at = 0; at < paths.length; at += BATCH) {
      if (closing.aborted) return;
      const begun = performance.now();
      await this.#look(paths.slice(at, at + BATCH));
      if (at + BATCH >= paths.length) break;
      const pause = performance.now() - begun;
      await setTimeout(pause, undefined, { signal: this.#goOn, ref: false }).catch(() => {});
    }
    if (closing.aborted) return;
    this.#isDone = true;
    await this.#orReport(mirrors.keepBudget());
  }

  async #look(paths: readonly string[]): Promise<void> {
    const { jobs, closing } = this.#parts;
    let surveyed: readonly (SurveyedMirror | undefined)[] = [];
    const survey = async () => {
      surveyed = await jobs.survey(paths, closing);
    };
    await this.#orReport(survey());
    for (const [index, path] of paths.entries()) {
      if (closing.aborted) return;
      await this.#orReport(this.#recover(path, surveyed[index]));
    }
  }

  async #recover(path: string, surveyed: SurveyedMirror | undefined): Promise<void> {
    const { directory, mirrors, onFound } = this.#parts;
    const found =
      (surveyed && directory.surveyed(path, surveyed)) ?? (await directory.recover(path));
    // A request may have found the mirror already.
    if (found === undefined || mirrors.find(found.revision.repository) !== undefined) return;
    const mirror = mirrors.obtain(found.revision.repository);
    await mirror.ensureReady(async () => found);
    // It may have been evicted since it was found.
    await mirrors.forgetIfGone(mirror);
    if (mirror.state === 'ready') onFound(mirror);
  }

  /** A mirror that can't be read or removed at the moment must not affect the others. */
  async #orReport(work: Promise<void>): Promise<void> {
    await work.catch((cause: unknown) => {
      if (this.#parts.closing.aborted) return;
      const error = toSnapshotError(cause);
      this.#parts.events.emit('mirrorCorrupted', { repository: undefined, error });
    });
  }
}
