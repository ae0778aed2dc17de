import { createServer } from 'node:http';
import { join } from 'node:path';
import express from 'express';
import { createSnapshotRouter } from '../../lib/index.js';
import { listen } from '../support/listen.js';
import { execute, git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import type { Cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

/**
 * A snapshot server of the private repository `org/repo` that asks for `client-token`, after a push that its
 * snapshot lacks. The upstream asks for `job-token`.
 *
 * @returns `server`: the URL of the mount; `upstreamUrl`: of the git host; `commit`: the pushed one.
 */
export async function startPrivateServer(
  { directory, defer }: Cleanup,
  host: string,
  username: string,
): Promise<{ server: string; upstreamUrl: string; commit: string }> {
  const root = await directory();
  const repository = join(root, 'org', 'repo');
  await buildSmall(repository);
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  upstream.fault('org/repo', { kind: 'require-basic-auth', username, password: 'job-token' });
  const snapshots = createSnapshotRouter({
    dataDir: await directory(),
    hosts: {
      [host]: {
        baseUrl: upstream.url,
        allowPrivateAddresses: true,
        credentials: () => ({ username, password: 'job-token' }),
      },
    },
    authorize: (req) => req.get('authorization') === 'Bearer client-token',
    logger: false,
  });
  defer(() => snapshots.close());
  const url = await listen(createServer(express().use('/git', snapshots)), defer);
  const headers = { authorization: 'Bearer client-token' };
  const first = await fetch(`${url}/git/${host}/org/repo/snapshot.tar.zst`, { headers });
  await first.arrayBuffer();
  return { server: `${url}/git`, upstreamUrl: upstream.url, commit: await push(repository) };
}

/** HEAD, status and history of a checkout, and the names of its files with a token. */
export async function stateOf(workspace: string) {
  const count = await git(workspace, 'rev-list', '--count', 'HEAD');
  const kept = await execute('grep', ['-rlE', 'job-token|client-token|Basic', '.'], {
    cwd: workspace,
  });
  return {
    head: await git(workspace, 'rev-parse', 'HEAD'),
    status: await git(workspace, 'status', '--porcelain'),
    commits: Number(count),
    filesWithTokens: kept.stdout,
  };
}
