/**
 * @needs bash curl tar zstd
 * @one-node-version
 */
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { execute, type Outcome, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { startPrivateServer, stateOf } from './private-server.js';

const resources = cleanup(afterEach);
const { directory } = resources;

/** A step of a composite action. */
interface Step {
  readonly shell: string;
  readonly env: Record<string, string>;
  readonly run: string;
}

interface Action {
  readonly inputs: Record<string, { required?: boolean; default?: string }>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

interface Template {
  readonly '.from-snapshot': {
    readonly variables: Record<string, string>;
    readonly before_script: readonly string[];
  };
}

async function read(name: string): Promise<unknown> {
  return parse(await readFile(join('examples', 'ci', name), 'utf8'), { strict: true });
}

/** Runs the steps as the runner does: with the values of their `env`, in `workspace`. */
async function runAction(
  workspace: string,
  serverUrl: string,
  given: Record<string, string>,
): Promise<Outcome> {
  const { inputs, runs } = (await read('action.yml')) as Action;
  const context = { 'github.repository': 'org/repo', 'github.token': 'job-token' };
  const fill = (text: string, known: Record<string, string>) =>
    text.replace(/\$\{\{ ([\w.-]+) \}\}/g, (_, name: string) => known[name] ?? `unknown: ${name}`);
  const values = Object.entries(inputs).map(([name, input]) => [
    `inputs.${name}`,
    given[name] ?? fill(input.default ?? `missing: ${name}`, context),
  ]);
  let outcome: Outcome = { code: null, stdout: '', stderr: '' };
  for (const { env, run: script } of runs.steps) {
    const variables = Object.entries(env).map(([name, value]) => [
      name,
      fill(value, Object.fromEntries(values)),
    ]);
    outcome = await execute('bash', ['-c', script], {
      cwd: workspace,
      env: { ...Object.fromEntries(variables), GITHUB_SERVER_URL: serverUrl },
    });
    if (outcome.code !== 0) break;
  }
  return outcome;
}

async function runGitLabJob(
  workspace: string,
  variables: Record<string, string>,
): Promise<Outcome> {
  const { '.from-snapshot': job } = (await read('gitlab.yml')) as Template;
  const env = { ...job.variables, ...variables };
  // The runner's shell has these options; the second script is the job's own.
  const script = ['set -eo pipefail', ...job.before_script, 'echo "$-"'].join('\n');
  return await execute('bash', ['-c', script], { cwd: workspace, env });
}

test('The GitHub action restores a snapshot, fetches the commit of the run, and stores no token', async () => {
  const { server, upstreamUrl, commit } = await startPrivateServer(
    resources,
    'github.com',
    'x-access-token',
  );
  const workspace = await directory();
  const inputs = { server, commit, 'snapshot-token': 'client-token' };
  expect(await runAction(workspace, upstreamUrl, inputs)).toMatchObject({ code: 0, stderr: '' });
  const expected = { head: commit, status: '', commits: 3, filesWithTokens: '' };
  expect(await stateOf(workspace)).toEqual(expected);

  // A runner of one's own keeps the workspace for the next run.
  await writeFile(join(workspace, 'left.o'), 'built by the first run');
  expect(await runAction(workspace, upstreamUrl, inputs)).toMatchObject({ code: 0, stderr: '' });
  expect(await stateOf(workspace)).toEqual(expected);

  const other = await directory();
  await writeFile(join(other, 'mine'), 'of an earlier step');
  const taken = await runAction(other, upstreamUrl, inputs);
  expect(taken).toMatchObject({ code: 1, stdout: '::error::. is not empty\n' });
  expect(await readdir(other)).toEqual(['mine']);
  const refused = await runAction(workspace, upstreamUrl, {
    ...inputs,
    path: 'a/b',
    'snapshot-token': 'no',
  });
  expect(refused).toMatchObject({ stderr: expect.stringContaining('403') });
  expect(refused.code).not.toBe(0);
});

test('The GitHub action reads its inputs by the environment only, so that none of them is run as shell', async () => {
  const { inputs, runs } = (await read('action.yml')) as Action;
  expect(runs.using).toBe('composite');
  const named = runs.steps.flatMap(({ env }) =>
    Object.values(env).flatMap((value) => value.match(/(?<=\$\{\{ inputs\.)[\w-]+/g) ?? []),
  );
  expect(new Set(named)).toEqual(new Set(Object.keys(inputs)));
  for (const { shell, run: script } of runs.steps) {
    expect([shell, script.includes('${{')]).toEqual(['bash', false]);
  }
});

test('A GitLab job that extends the template has the commit of its pipeline, and keeps the settings of its shell', async () => {
  const { server, upstreamUrl, commit } = await startPrivateServer(
    resources,
    'gitlab.com',
    'gitlab-ci-token',
  );
  const workspace = await directory();
  await chmod(workspace, 0o770);
  const artifact = join(workspace, '.artifact');
  await run('touch', [artifact]);
  const variables = {
    SNAPSHOT_SERVER: server,
    SNAPSHOT_TOKEN: 'client-token',
    CI_SERVER_HOST: 'gitlab.com',
    CI_SERVER_URL: upstreamUrl,
    CI_PROJECT_PATH: 'org/repo',
    CI_JOB_TOKEN: 'job-token',
    CI_COMMIT_SHA: commit,
  };
  const outcome = await runGitLabJob(workspace, variables);
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  expect(outcome.stdout).not.toContain('u');
  // It may belong to another user, and the job could not change it.
  expect((await stat(workspace)).mode & 0o777).toBe(0o770);
  // The file of an earlier job is still there.
  const expected = { head: commit, status: '?? .artifact', commits: 3, filesWithTokens: '' };
  expect(await stateOf(workspace)).toEqual(expected);

  const refused = await runGitLabJob(await directory(), { ...variables, SNAPSHOT_TOKEN: '' });
  expect(refused).toMatchObject({ stderr: expect.stringContaining('403') });
  expect(refused.code).not.toBe(0);
});
