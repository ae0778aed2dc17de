import { formatBytes } from './report.js';

/** Shows what the events of a service say. */
export function showProgress(events, report) {
  events.on('cloneStarted', () => report.progress('asking the upstream'));
  events.on('cloneProgress', ({ progress }) => report.progress(describe(progress)));
  events.on('generationStarted', () => report.progress('writing the snapshot'));
}

function describe(progress) {
  if (progress.kind === 'message') {
    // As git rewrites its line, what follows the last carriage return is the latest.
    return `upstream: ${progress.text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1)}`;
  }
  const { phase, receivedBytes, receivedObjects, totalObjects = '?' } = progress;
  return phase === 'receiving'
    ? `receiving: ${receivedObjects} of ${totalObjects} objects, ${formatBytes(receivedBytes)}`
    : `resolving the deltas of ${totalObjects} objects`;
}
