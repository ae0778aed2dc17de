import type { Options, Params } from 'cli-progress';
import type { RestoreProgress } from '../client/options.js';
import { inBytes } from '../in-bytes.js';
import { inTime } from './in-time.js';

export interface ProgressBar {
  update(progress: RestoreProgress): void;
  /** Clears the line. Idempotent. */
  close(): void;
}

export function isTerminal(stream: NodeJS.WritableStream): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}

/**
 * Shows the progress of a download in one line of a terminal, ten times a second. The rate is that of
 * the whole download.
 */
export async function showProgress(terminal: NodeJS.WritableStream): Promise<ProgressBar> {
  // Loaded only for terminals.
  const { Format, SingleBar } = (await import('cli-progress')).default;
  const started = performance.now();
  let downloading: number | undefined;
  let latest: RestoreProgress | undefined;
  const bar = new SingleBar({
    stream: terminal,
    format: line,
    barsize: 24,
    barCompleteChar: '=',
    barIncompleteChar: '-',
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
  });
  bar.start(0, 0);
  return {
    update(progress) {
      downloading ??= performance.now();
      latest = progress;
      bar.setTotal(progress.totalBytes ?? 0);
      bar.update(progress.receivedBytes);
    },
    close: () => bar.stop(),
  };

  function line(options: Options, { progress }: Params): string {
    if (downloading === undefined || latest === undefined || latest.receivedBytes === 0) {
      return `Waiting for the server: ${inTime(secondsSince(started))}`;
    }
    const { receivedBytes, totalBytes } = latest;
    const rate = receivedBytes / secondsSince(downloading);
    const shownRate = `${inBytes(rate)}/s`;
    // The server still builds the snapshot, so nobody knows its size.
    if (totalBytes === undefined) return `${inBytes(receivedBytes)}  ${shownRate}`;
    const parts = [
      `[${Format.BarFormat(progress, options)}]`,
      `${Math.floor(progress * 100)} %`.padStart(5),
      `${inBytes(receivedBytes)} of ${inBytes(totalBytes)}`,
      shownRate,
    ];
    if (rate > 0) parts.push(`${inTime((totalBytes - receivedBytes) / rate)} left`);
    return parts.join('  ');
  }
}

/** At least a millisecond. */
function secondsSince(time: number): number {
  return Math.max(1, performance.now() - time) / 1000;
}
