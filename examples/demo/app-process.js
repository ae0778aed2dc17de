import { fork } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { environment } from './programs.js';

const PROGRAM = fileURLToPath(new URL('app.js', import.meta.url));

/**
 * The process of the app.
 *
 * @param {object} settings
 * @param {string} settings.host the host in the paths of snapshots
 * @param {string} settings.originUrl its URL for clients
 * @param {string} settings.upstreamUrl where the app fetches
 */
export function createAppProcess({ host, originUrl, upstreamUrl }) {
  const secret = randomBytes(32).toString('hex');
  let child;
  let url;

  async function start(dataDir) {
    child = fork(PROGRAM, {
      env: {
        ...environment,
        DATA_DIR: dataDir,
        HOST: host,
        ORIGIN_URL: originUrl,
        UPSTREAM_URL: upstreamUrl,
        WEBHOOK_SECRET: secret,
      },
    });
    const ended = once(child, 'exit').then(() => {
      throw new Error('the app has ended');
    });
    const [port] = await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => {}); // later, a client that is waiting fails
    url = `http://127.0.0.1:${port}`;
  }

  /** Ends the process, if it runs. Idempotent. */
  async function end(how) {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    how(child);
    await exited;
  }

  return {
    /** Starts a new process on this data directory. */
    start,
    /** Ends it as a shutdown does. */
    stop: () => end((one) => one.connected && one.disconnect()),
    /** Ends it at once, as a crash does. */
    kill: () => end((one) => one.kill('SIGKILL')),

    /** The URL of a repository's snapshot. */
    snapshotUrl: (path) => `${url}/git/${host}/${path}/snapshot.tar.zst`,

    /** Reports a push, as a git host does. */
    async reportPush(path) {
      const body = JSON.stringify({ repository: { clone_url: `${originUrl}/${path}` } });
      const signature = createHmac('sha256', secret).update(body).digest('hex');
      const headers = {
        'Content-Type': 'application/json',
        'X-GitHub-Event': 'push',
        'X-Hub-Signature-256': `sha256=${signature}`,
      };
      const { status } = await fetch(`${url}/webhook`, { method: 'POST', headers, body });
      if (status !== 202) throw new Error(`the app answered ${status} to the report of a push`);
    },
  };
}
