/**
 * @needs act bash curl tar zstd
 * @one-node-version
 */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startPrivateServer, stateOf } from '../examples/private-server.js';
import { execute, git, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const resources = cleanup(afterAll);
const { directory } = resources;
const CI = join('examples', 'ci');

/** The user's environment, with npm's settings and certificates. */
const environment = async () => ({ ...process.env, HOME: await directory() });

/** Programs from npm, in a directory of their own. @returns where their commands are. */
async function install(...packages: string[]): Promise<string> {
  const prefix = await directory();
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', prefix];
  await run('npm', [...args, ...packages], { env: process.env });
  return join(prefix, 'node_modules', '.bin');
}

test('The GitHub action is valid, and a runner restores a repository with it', async () => {
  const bin = await install('@action-validator/core@0.6', '@action-validator/cli@0.6');
  await run(join(bin, 'action-validator'), [join(CI, 'action.yml')]);

  const { server, upstreamUrl, commit } = await startPrivateServer(
    resources,
    'github.com',
    'x-access-token',
  );
  const project = await directory();
  await git(project, 'init', '--quiet');
  await git(project, 'remote', 'add', 'origin', 'https://github.com/org/repo.git');
  await cp(CI, join(project, 'restore'), { recursive: true });
  await mkdir(join(project, '.github', 'workflows'), { recursive: true });
  const restored = join(await directory(), 'restored');
  const workflow = {
    on: 'push',
    jobs: {
      restore: {
        'runs-on': 'self-hosted',
        steps: [
          { uses: 'actions/checkout@v4' }, // brings the action into the workspace
          {
            uses: './restore',
            with: {
              server,
              commit,
              path: 'copy',
              'snapshot-token': 'client-token',
            },
          },
          { run: `mv copy ${restored}` },
        ],
      },
    },
  };
  await writeFile(join(project, '.github/workflows/ci.yml'), JSON.stringify(workflow));
  await git(project, 'add', '.');
  await git(project, 'commit', '--quiet', '--message=workflow');
  const secrets = ['-s', 'GITHUB_TOKEN=job-token'];
  const serverUrl = ['--env', `GITHUB_SERVER_URL=${upstreamUrl}`];
  const args = ['push', ...serverUrl, '-P', 'self-hosted=-self-hosted', ...secrets];
  const { code, stdout, stderr } = await execute('act', args, {
    cwd: project,
    env: await environment(),
  });
  if (code !== 0) throw new Error(`${stdout}\n${stderr}`);
  const expected = { head: commit, status: '', commits: 3, filesWithTokens: '' };
  expect(await stateOf(restored)).toEqual(expected);
});

test('A runner of GitLab jobs restores a repository with the template', async () => {
  const bin = await install('gitlab-ci-local@4.62');
  const { server, upstreamUrl, commit } = await startPrivateServer(
    resources,
    'gitlab.com',
    'gitlab-ci-token',
  );
  const project = await directory();
  await git(project, 'init', '--quiet');
  await git(project, 'remote', 'add', 'origin', 'https://gitlab.com/org/repo.git');
  await cp(join(CI, 'gitlab.yml'), join(project, 'gitlab.yml'));
  const restored = join(await directory(), 'restored');
  const pipeline = {
    include: [{ local: 'gitlab.yml' }],
    build: { extends: '.from-snapshot', script: [`git clone --quiet . ${restored}`] },
  };
  await writeFile(join(project, '.gitlab-ci.yml'), JSON.stringify(pipeline));
  await git(project, 'add', '.');
  await git(project, 'commit', '--quiet', '--message=pipeline');
  const variables = {
    SNAPSHOT_SERVER: server,
    SNAPSHOT_TOKEN: 'client-token',
    CI_JOB_TOKEN: 'job-token',
    CI_SERVER_URL: upstreamUrl,
    CI_COMMIT_SHA: commit,
  };
  const given = Object.entries(variables).flatMap((pair) => ['--variable', pair.join('=')]);
  const { code, stdout, stderr } = await execute(
    join(bin, 'gitlab-ci-local'),
    ['--force-shell-executor', '--shell-isolation', ...given, 'build'],
    { cwd: project, env: await environment() },
  );
  if (code !== 0) throw new Error(`${stdout}\n${stderr}`);
  expect(await git(restored, 'rev-parse', 'HEAD')).toBe(commit);
});
