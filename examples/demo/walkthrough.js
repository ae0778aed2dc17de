import { join } from 'node:path';
import { waitFor } from './clients.js';
import { createComparison } from './comparison.js';
import { formatSeconds } from './report.js';

/**
 * Shows what a team sees with `git clone`, and with an app that serves snapshots.
 *
 * @param {object} parts also those of `createComparison`
 * @param {number} parts.clients how many clients come at once; 1 leaves their step out
 * @param {(() => Promise<void>) | undefined} parts.push adds a commit to the upstream; `undefined`
 *   leaves its step out
 */
export async function walkThrough({ clients, push, ...parts }) {
  const { path, directory, line, app, report, signal } = parts;
  const comparison = createComparison(parts);

  let dataDir = join(directory, 'data-1');
  await app.start(dataDir);
  const first = await comparison.step('The first request, to an app that has just started');
  report.note(aboutFirst(first));

  if (clients > 1) {
    await app.stop();
    dataDir = join(directory, 'data-2');
    await app.start(dataDir);
    const title = `${clients} clients at once, again with an app that has nothing yet`;
    const { git, ours } = await comparison.step(title, { count: clients });
    const ratio = (git.bytes / ours.bytes).toFixed(1);
    report.note(`The upstream sent ${ratio} times as many bytes to git clone as to the app.`);
  }

  await comparison.step('One client more');

  if (push !== undefined) {
    await push();
    let seconds;
    await comparison.step('After a push', {
      async withApp(restoreAll, head) {
        const started = performance.now();
        await app.reportPush(path);
        await waitFor(head, app.snapshotUrl(path), signal);
        seconds = (performance.now() - started) / 1000;
        await restoreAll();
      },
    });
    const time = formatSeconds(seconds);
    report.note(
      `A webhook reported the push. ${time} later, the app, with minRebuildInterval: 0, served it.`,
    );
  }

  await line.cut();
  const { git } = await comparison.step('The upstream is down', { isUpstreamDown: true });
  if (git.error === undefined) throw new Error('the upstream is not down');
  report.note(`git clone says: ${git.error.message.split(': ').at(-1)}`);

  await comparison.step('The app is killed and starts again, while the upstream is still down', {
    isUpstreamDown: true,
    async withApp(restoreAll) {
      await app.kill();
      await app.start(dataDir);
      await restoreAll();
    },
  });

  comparison.reportSums();
  await comparison.reportChecks();
}

function aboutFirst({ git, ours }) {
  const difference = ours.seconds - git.seconds;
  const time = formatSeconds(Math.abs(difference));
  const compared = difference > 0 ? 'more than git clone:' : 'less than git clone, although';
  return `${time} ${compared} the app first clones, then makes the snapshot while it sends it.`;
}
