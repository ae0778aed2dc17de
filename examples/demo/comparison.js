import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fsck, gitClient, headOfClean } from './clients.js';
import { formatBytes, formatSeconds } from './report.js';

/**
 * Measures clients of git and clients of the app, step by step.
 *
 * @param {object} parts
 * @param {string} parts.path of the repository, at the upstream and in the app
 * @param {object} parts.appClient from `clients.js`
 * @param {string} parts.directory an empty directory
 */
export function createComparison({ path, appClient, directory, line, app, report, signal }) {
  const steps = [];
  const checked = { checkouts: 0, first: undefined };
  let head;

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

  return {
    /**
     * Lets clients get the repository, with `git clone` and from the app, and checks what they got.
     *
     * @param {object} [how]
     * @param {number} [how.count] how many clients, all at once
     * @param {boolean} [how.isUpstreamDown] whether `git clone` may fail
     * @param {(restoreAll: () => Promise<void>, head: string) => Promise<void>} [how.withApp] what
     *   happens with the app; `head` is the upstream's commit
     */
    async step(title, { count = 1, isUpstreamDown = false, withApp = (all) => all() } = {}) {
      report.title(`${steps.length + 1}  ${title}`);
      const place = join(directory, `step-${steps.length + 1}`);
      await mkdir(place);
      const places = (name) => Array.from({ length: count }, (_, i) => join(place, `${name}-${i}`));
      const [clones, checkouts] = [places('clone'), places('restored')];
      const getAll = (client, url, targets) =>
        Promise.all(targets.map((target) => client.get(url, target, signal)));

      const git = await measured('git clone', () =>
        getAll(gitClient, `${line.url}/${path}`, clones),
      );
      if (git.error !== undefined && !isUpstreamDown) throw git.error;
      if (git.error === undefined) head = await headOfClean(clones[0], signal);
      const ours = await measured('with the app', () =>
        withApp(() => getAll(appClient, app.snapshotUrl(path), checkouts), head),
      );
      if (ours.error !== undefined) throw ours.error;
      report.bars([git, ours].map(rowOf));
      steps.push({ git, ours });

      for (const checkout of checkouts) {
        const restored = await headOfClean(checkout, signal);
        if (restored !== head) throw new Error(`HEAD is ${restored}, and ${head} in git's clone`);
      }
      checked.checkouts += count;
      if (checked.first === undefined) checked.first = { clone: clones[0], checkout: checkouts[0] };
      else await rm(place, { recursive: true });
      return { git, ours };
    },

    /** Adds up the steps in which `git clone` worked. */
    reportSums() {
      const both = steps.filter(({ git }) => git.error === undefined);
      const rows = (key, format) =>
        ['git', 'ours'].map((side) => {
          const sum = both.reduce((total, step) => total + step[side][key], 0);
          return { label: both[0][side].label, numbers: [format(sum)], length: sum };
        });
      report.title(`Sums of steps 1 to ${both.length}: time, and bytes from the upstream`);
      report.bars(rows('seconds', formatSeconds));
      report.bars(rows('bytes', formatBytes));
    },

    /** Reports the checks of all steps, and one more. */
    async reportChecks() {
      report.progress(() => 'git fsck');
      // fsck reports oddities of real histories in any clone.
      const { clone, checkout } = checked.first;
      const [git, ours] = [await fsck(clone, signal), await fsck(checkout, signal)];
      if (ours !== git) throw new Error(`git fsck in a restored snapshot: ${ours}`);
      report.title(
        `All ${checked.checkouts} restored checkouts have git's HEAD and a clean git status. ` +
          `git fsck finds ${ours === '' ? 'nothing' : "what it finds in git's clone"}.`,
      );
    },
  };
}

function rowOf(result) {
  const { label, seconds, error } = result;
  return { label, numbers: numbersOf(result), length: error === undefined ? seconds : Number.NaN };
}

function numbersOf({ seconds, bytes, error }) {
  return [error === undefined ? formatSeconds(seconds) : 'fails', formatBytes(bytes)];
}
