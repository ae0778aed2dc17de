import { formatBytes } from './report.js';

/** Shows the progress that the events of a service report. */
export function showProgress(events, report) {
  events.on('jobStarted', ({ kind }) => {
    if (kind === 'clone') report.progress('asking the upstream');
    if (kind === 'build') report.progress('writing the snapshot');
  });
  events.on('jobProgress', ({ progress }) => {
    if (progress.kind !== 'request') report.progress(describe(progress));
  });
}

function describe(progress) {
  if (progress.kind === 'message') {
    // git rewrites its line: the text after the last carriage return is the latest.
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
