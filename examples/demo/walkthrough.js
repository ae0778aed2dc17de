import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fsck, gitClient, headOfClean, waitFor } from './clients.js';
import { formatBytes, formatSeconds } from './report.js';

/**
 * Shows what a team sees, step by step, with `git clone` and with an app that serves snapshots.
 *
 * @param {object} parts
 * @param {string} parts.path of the repository, at the upstream and in the app
 * @param {(() => Promise<void>) | undefined} parts.push adds a commit to the upstream; `undefined`
 *   leaves that step out
 * @param {number} parts.clients how many clients a team has
 * @param {object} parts.appClient from `clients.js`
 * @param {string} parts.directory an empty directory
 */
export async function walkThrough(parts) {
  const { path, push, clients, appClient, directory, line, app, report, signal } = parts;
  const steps = [];
  const cloneUrl = `${line.url}/${path}`;
  const restored = { checkouts: 0, first: undefined };
  let head;

  /**
   * Lets clients get the repository, with `git clone` and from the app.
   *
   * @param {(restoreAll: () => Promise<void>) => Promise<void>} [withApp] what happens with the app
   */
  async function step(title, { count = 1, isUpstreamDown = false, withApp = (all) => all() } = {}) {
    report.title(`${steps.length + 1}  ${title}`);
    const place = join(directory, `step-${steps.length + 1}`);
    await mkdir(place);
    const places = (name) => Array.from({ length: count }, (_, i) => join(place, `${name}-${i}`));
    const [clones, checkouts] = [places('clone'), places('restored')];
    const all = (get) => Promise.all(get);

    const git = await measured('git clone', () =>
      all(clones.map((target) => gitClient.get(cloneUrl, target, signal))),
    );
    if (git.error === undefined) head = await headOfClean(clones[0], signal);
    const ours = await measured('with the app', () =>
      withApp(() =>
        all(checkouts.map((target) => appClient.get(app.snapshotUrl(path), target, signal))),
      ),
    );
    if (ours.error !== undefined) throw ours.error;
    if (git.error !== undefined && !isUpstreamDown) throw git.error;
    if (isUpstreamDown && git.error === undefined) throw new Error('the upstream is not down');
    report.bars([git, ours].map(rowOf));
    steps.push({ git, ours });

    for (const checkout of checkouts) {
      if ((await headOfClean(checkout, signal)) !== head)
        throw new Error('another HEAD than git has');
    }
    restored.checkouts += count;
    if (restored.first === undefined) restored.first = { clone: clones[0], checkout: checkouts[0] };
    else await rm(place, { recursive: true });
    return { git, ours };
  }

  /** Measures time, and bytes from the upstream. */
  async function measured(label, work) {
    const [started, bytes] = [performance.now(), line.receivedBytes];
    const result = { label };
    const read = () => {
      result.seconds = (performance.now() - started) / 1000;
      result.bytes = line.receivedBytes - bytes;
      return result;
    };
    report.progress(() => [label, ...numbersOf(read())].join('   '));
    try {
      await work();
    } catch (error) {
      signal.throwIfAborted();
      result.error = error;
    }
    return read();
  }

  await app.start(join(directory, 'data-1'));
  const first = await step('The first request, to an app that has just started');
  report.note(aboutFirst(first));

  await app.stop();
  await app.start(join(directory, 'data-2'));
  const many = await step(`${clients} clients at once, and again a new app that has nothing`, {
    count: clients,
  });
  const ratio = many.git.bytes / many.ours.bytes;
  report.note(
    `The app cloned once for all of them: git clone took ${ratio.toFixed(1)} times the bytes.`,
  );

  await step('One client more');

  if (push !== undefined) {
    await push();
    let appeared;
    await step('After a push', {
      async withApp(restoreAll) {
        const started = performance.now();
        await app.reportPush(path);
        await waitFor(head, app.snapshotUrl(path), signal);
        appeared = (performance.now() - started) / 1000;
        await restoreAll();
      },
    });
    report.note(
      `A webhook reported the push. ${formatSeconds(appeared)} later, the app served the new commit.`,
    );
  }

  await line.cut();
  const down = await step('The upstream is down', { isUpstreamDown: true });
  report.note(`git clone says: ${down.git.error.message.split(': ').at(-1)}`);

  await step('The app is killed and starts again, while the upstream is still down', {
    isUpstreamDown: true,
    async withApp(restoreAll) {
      await app.kill();
      await app.start(join(directory, 'data-2'));
      await restoreAll();
    },
  });

  reportSums(steps, report);
  await reportChecks(restored, { report, signal });
}

function rowOf(result) {
  const { label, seconds, error } = result;
  return { label, numbers: numbersOf(result), length: error === undefined ? seconds : Number.NaN };
}

function numbersOf({ seconds, bytes, error }) {
  return [error === undefined ? formatSeconds(seconds) : 'fails', formatBytes(bytes)];
}

function aboutFirst({ git, ours }) {
  const difference = ours.seconds - git.seconds;
  const time = formatSeconds(Math.abs(difference));
  const compared = difference > 0 ? 'more than git clone:' : 'less than git clone, although';
  return `${time} ${compared} the app first clones, then makes the snapshot while it sends it.`;
}

function reportSums(steps, report) {
  const both = steps.filter(({ git }) => git.error === undefined);
  const sum = (side, key) => both.reduce((total, step) => total + step[side][key], 0);
  const rows = (key, format) =>
    ['git', 'ours'].map((side) => ({
      label: both[0][side].label,
      numbers: [format(sum(side, key))],
      length: sum(side, key),
    }));
  report.title(`Sums of steps 1 to ${both.length}: time, and bytes from the upstream`);
  report.bars(rows('seconds', formatSeconds));
  report.bars(rows('bytes', formatBytes));
}

async function reportChecks({ checkouts, first }, { report, signal }) {
  report.progress(() => 'git fsck');
  // fsck reports oddities of real histories in any clone.
  const [ours, git] = [await fsck(first.checkout, signal), await fsck(first.clone, signal)];
  if (ours !== git) throw new Error(`git fsck in a restored snapshot: ${ours}`);
  report.title(
    `All ${checkouts} restored checkouts have git's HEAD and a clean git status. ` +
      `git fsck finds ${ours === '' ? 'nothing' : "what it finds in git's clone"}.`,
  );
}
