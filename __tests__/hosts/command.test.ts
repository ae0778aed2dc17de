import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Output } from '../command/command-run.js';
import { packWithUpstream } from '../package/packed-package.js';
import { startProgram } from '../support/program-start.js';
import { git, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import type { Upstream } from '../support/upstream.js';

/** The command as users start it, with packages from npm. */

const { directory, defer } = cleanup(afterAll);
let tarball: string;
let upstream: Upstream;
let env: Record<string, string | undefined>;
let commit: string;

beforeAll(async () => {
  ({ tarball, upstream, commit } = await packWithUpstream({ directory, defer }));
  const cache = join(await directory(), 'npm');
  env = { ...process.env, npm_config_cache: cache, npm_config_update_notifier: 'false' };
});

function serveArguments(): string[] {
  return ['serve', '--host', upstream.url, '--allow-private-addresses', '--port', '0'];
}

/** Resolves with the URL of the repository on the server, when it serves. */
async function repositoryUrl(stdout: NodeJS.ReadableStream): Promise<string> {
  const output = new Output();
  stdout.pipe(output);
  await output.until(/ restore (\S+)\/<owner>.*\n/);
  return output.text.replace(/^.* restore (\S+)\/<owner>.*$/s, '$1/small');
}

test('npx serves and restores from an empty directory', async () => {
  const empty = await directory();
  const packages = ['--yes', '-p', 'express', '-p', tarball];
  const args = [...packages, 'express-git-snapshot', ...serveArguments()];
  const serving = startProgram({ command: 'npx', args, cwd: empty, env });
  defer(() => {
    serving.kill();
    return serving.closed;
  });
  const url = await repositoryUrl(serving.stdout);
  const restore = ['--yes', '-p', tarball, 'express-git-snapshot', 'restore', url, './small'];
  const printed = await run('npx', restore, { cwd: empty, env });
  expect(printed).toMatch(`Restored ./small at ${commit.slice(0, 12)}: `);
  expect(await git(join(empty, 'small'), 'rev-parse', 'HEAD')).toBe(commit);
  expect(await git(join(empty, 'small'), 'status', '--porcelain')).toBe('');
});

test('An installed command serves until SIGTERM, and ends with 0', async () => {
  const project = await directory();
  await writeFile(join(project, 'package.json'), '{"private":true}\n');
  const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', 'express@4', tarball];
  await run('npm', install, { cwd: project, env });
  const command = join(project, 'node_modules/.bin/express-git-snapshot');
  const serving = spawn(command, serveArguments(), { cwd: project, env });
  defer(() => serving.kill('SIGKILL'));
  const closed = once(serving, 'close');
  const complaints = text(serving.stderr);
  const url = await repositoryUrl(serving.stdout);
  const restored = join(project, 'small');
  await run(command, ['restore', url, restored], { cwd: project, env });
  expect(await git(restored, 'rev-parse', 'HEAD')).toBe(commit);
  serving.kill('SIGTERM');
  await closed;
  expect([serving.exitCode, await complaints]).toEqual([
    0,
    'Ending when all requests are answered. To end at once, interrupt again.\n',
  ]);
});
