/**
 * @needs systemd
 * @one-node-version
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { pack } from '../package/packed-package.js';
import { listen } from '../support/listen.js';
import { startProgram } from '../support/program-start.js';
import { git, run } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { checkHost } from './check-host.js';
import { Projects } from './project.js';

const { directory, defer } = cleanup(afterAll);
const BOOT = resolve('__tests__/hosts/apps/boot-systemd.sh');
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--uts', '--ipc', '--cgroup'];

/** Boots systemd with the unit, in namespaces of its own. @returns what runs a program in them. */
async function boot(app: string, unit: string, env: Record<string, string>) {
  const PLACE = join(await directory(), 'machine');
  await mkdir(PLACE);
  const program = startProgram({
    command: 'sh',
    args: ['-c', 'echo $$; exec "$@"', 'sh', 'unshare', ...NAMESPACES, 'bash', BOOT],
    cwd: '/',
    env: { PATH: process.env.PATH, PLACE, APP: app, UNIT: unit, ...env },
  });
  defer(() => {
    program.kill();
    return program.closed;
  });
  const ended = Promise.all([program.closed, text(program.stderr)]).then(([code, errors]) => {
    throw new Error(`systemd ended with ${code}: ${errors}`);
  });
  const first = new Promise<string>((found) => {
    createInterface({ input: program.stdout }).once('line', found);
  });
  const outer = await Promise.race([first, ended]);
  ended.catch(() => {});
  return {
    ended,
    async run(...command: string[]) {
      const children = await readFile(`/proc/${outer}/task/${outer}/children`, 'utf8');
      return await run('nsenter', ['--target', children.trim(), '--all', ...command]);
    },
  };
}

/** Resolves when the server is ready. */
async function isReady(port: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
    if (answer?.status === 200) return;
  }
}

test('systemd runs the unit as a user without rights, restarts and ends it, and the server works within its limits', async () => {
  const root = await directory();
  await buildSmall(join(root, 'small'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const projects = new Projects(await pack(await directory()), directory);
  const app = await projects.of({ packages: ['express@5'] });
  await cp(join('examples', 'docker'), app, { recursive: true });
  const unit = join(await directory(), 'git-snapshots.service');
  const source = await readFile(join('examples', 'systemd', 'git-snapshots.service'), 'utf8');
  await writeFile(unit, source.replace('/usr/bin/node', process.execPath));
  const probe = createServer();
  const { port } = new URL(await listen(probe, () => {}));
  probe.close();

  const machine = await boot(app, unit, { PORT: port, GITHUB_BASE_URL: upstream.url });
  await Promise.race([isReady(port), machine.ended]);
  const commit = await git(join(root, 'small'), 'rev-parse', 'HEAD');
  const target = join(await directory(), 'copy');
  await checkHost(Number(port), { gitHost: 'github.com', target, commit });

  const show = async (...names: string[]) =>
    (await machine.run('systemctl', 'show', '--property', names.join(','), 'git-snapshots'))
      .trim()
      .split('\n')
      .sort();
  const [pid = ''] = await show('MainPID');
  const status = await machine.run('cat', `/proc/${pid.replace('MainPID=', '')}/status`);
  expect(status).toMatch(/^Uid:\t6\d{4}\t/m);
  expect(status).toMatch(/^CapEff:\t0+$/m);
  expect(status).toMatch(/^Seccomp:\t2$/m);

  await machine.run('systemctl', 'restart', 'git-snapshots');
  await isReady(port);
  expect(await show('ExecMainStatus', 'Result')).toEqual(['ExecMainStatus=0', 'Result=success']);
  const stored = await fetch(`http://127.0.0.1:${port}/git/github.com/small/snapshot.tar.zst`);
  expect([stored.status, stored.headers.get('content-length') === null]).toEqual([200, false]);
  await stored.arrayBuffer();
  await machine.run('systemctl', 'stop', 'git-snapshots');
  expect(await show('ActiveState', 'ExecMainStatus', 'Result')).toEqual([
    'ActiveState=inactive',
    'ExecMainStatus=0',
    'Result=success',
  ]);
});
