import { formatBytes } from './report.js';

/** Shows what the events of a service say. */
export function showProgress(events, report) {
  events.on('jobStarted', ({ kind }) => {
    if (kind === 'clone') report.progress('asking the upstream');
    if (kind === 'build') report.progress('writing the snapshot');
  });
  events.on('jobProgress', ({ progress }) => report.progress(describe(progress)));
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
