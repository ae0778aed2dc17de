import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute, run } from '../support/run.js';
import type { Host } from './host.js';

const APPS = ['__tests__/hosts/apps', 'examples/frameworks'].map((path) =>
  join(process.cwd(), path),
);
const TARBALL = 'express-git-snapshot.tgz';

/** npm and its relatives get the user's settings, such as certificates. */
const userEnvironment = () => ({ ...process.env, npm_config_update_notifier: 'false' });

/** Projects with the packed package, by what is installed beside it. */
export class Projects {
  readonly #tarball: string;
  readonly #directory: () => Promise<string>;
  readonly #installed = new Map<string, Promise<string>>();

  constructor(tarball: string, directory: () => Promise<string>) {
    this.#tarball = tarball;
    this.#directory = directory;
  }

  /** The project of a host, which is installed when it is first needed. */
  async of({ packages, manager = 'npm' }: Pick<Host, 'packages' | 'manager'>): Promise<string> {
    const key = [manager, ...packages].join(' ');
    const known = this.#installed.get(key);
    if (known !== undefined) return known;
    const project = this.#install(packages, manager);
    this.#installed.set(key, project);
    return project;
  }

  async #install(packages: readonly string[], manager: string): Promise<string> {
    const project = await this.#directory();
    for (const apps of APPS) await cp(apps, project, { recursive: true });
    await cp(this.#tarball, join(project, TARBALL));
    await mkdir(join(project, 'pages'));
    await writeFile(join(project, 'pages/index.js'), 'export default () => null;\n');
    await writeFile(
      join(project, 'package.json'),
      '{"name":"app","type":"module","private":true}\n',
    );
    const all = [`./${TARBALL}`, ...packages];
    const options = { cwd: project, env: userEnvironment() };
    if (manager === 'npm') {
      await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...all], options);
    } else if (manager === 'pnpm') {
      await run('npx', ['--yes', 'pnpm@10', 'add', '--loglevel=error', ...all], options);
    } else {
      const yarnrc = 'enableTelemetry: false\nenableGlobalCache: false\nnodeLinker: pnp\n';
      await writeFile(join(project, '.yarnrc.yml'), yarnrc);
      await writeFile(join(project, 'yarn.lock'), '');
      const dependencies = Object.fromEntries([
        ['express-git-snapshot', `file:./${TARBALL}`],
        ...packages.map((each) => /^(.[^@]*)@?(.*)$/.exec(each)?.slice(1) ?? []),
      ]);
      const manifest = { name: 'app', type: 'module', private: true, dependencies };
      await writeFile(join(project, 'package.json'), JSON.stringify(manifest));
      const env = { ...options.env, YARN_ENABLE_IMMUTABLE_INSTALLS: 'false' };
      const args = ['--yes', '-p', '@yarnpkg/cli-dist@4', 'yarn', 'install'];
      const { code, stdout } = await execute('npx', args, { ...options, env });
      if (code !== 0) throw new Error(stdout);
    }
    return project;
  }
}

/** The directory of a Node 24: of `TEST_NODE_24`, or a new one; `undefined` if this is one. */
export async function node24(directory: () => Promise<string>): Promise<string | undefined> {
  if (process.versions.node.startsWith('24.')) return undefined;
  const { TEST_NODE_24 } = process.env;
  if (TEST_NODE_24 !== undefined) return TEST_NODE_24;
  const prefix = await directory();
  const args = ['install', '--no-audit', '--no-fund', '--silent', '--prefix', prefix, 'node@24'];
  const { code, stderr } = await execute('npm', args, { env: userEnvironment() });
  if (code !== 0) throw new Error(stderr);
  return join(prefix, 'node_modules/.bin');
}
