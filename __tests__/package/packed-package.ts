import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tar from 'tar';
import { git, run } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import type { Cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

/** The fields of package.json that tests use. */
export interface Manifest {
  readonly version: string;
  readonly bin: string;
  readonly exports: Record<string, string | { types: string; default: string }>;
  readonly dependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}

const ROOT = process.cwd();

export async function readManifest(): Promise<Manifest> {
  return JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
}

/**
 * Packs the last build, as `npm publish` does: once during a run of the tests.
 *
 * @returns the tarball.
 */
export async function pack(directory: string): Promise<string> {
  const fixtures = process.env.TEST_FIXTURES;
  if (fixtures === undefined) return await packAnew(directory);
  const kept = join(fixtures, 'package.tgz');
  // Another process may pack it at the same time.
  if (!existsSync(kept)) await rename(await packAnew(directory), kept);
  return kept;
}

/** Packs the last build, and starts an upstream with one repository, `small`, at a commit. */
export async function packWithUpstream({ directory, defer }: Cleanup) {
  const root = await directory();
  await buildSmall(join(root, 'small'));
  const commit = await git(join(root, 'small'), 'rev-parse', 'HEAD');
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  return { tarball: await pack(await directory()), upstream, commit };
}

async function packAnew(directory: string): Promise<string> {
  // Without scripts: prepack would remove the build that these tests are part of.
  const args = [
    'pack',
    '--silent',
    '--offline',
    '--ignore-scripts',
    '--pack-destination',
    directory,
  ];
  // npm's cache and logs are not written to the user's.
  const env = { npm_config_cache: join(directory, 'npm'), npm_config_update_notifier: 'false' };
  const name = (await run('npm', args, { cwd: ROOT, env })).trim();
  return join(directory, name);
}

export async function listTarball(tarball: string): Promise<string[]> {
  const names: string[] = [];
  await tar.list({ file: tarball, onReadEntry: ({ path }) => void names.push(path) });
  return names.map((name) => name.replace(/^package\//, ''));
}

export async function extractTarball(tarball: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  await tar.extract({ file: tarball, cwd: target, strip: 1 });
}

/**
 * Installs a tarball into an empty project, offline: its dependencies, and nothing else that this
 * project has, are linked from here.
 *
 * @param links more packages by the name they shall have, such as `{ express: 'express4' }`.
 */
export async function installTarball(
  tarball: string,
  project: string,
  links: Record<string, string>,
): Promise<void> {
  const modules = join(project, 'node_modules');
  await extractTarball(tarball, join(modules, 'express-git-snapshot'));
  const { dependencies } = await readManifest();
  const names = Object.keys(dependencies).map((name) => [name, name] as const);
  for (const [name, target] of [...names, ...Object.entries(links)]) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(ROOT, 'node_modules', target), join(modules, name));
  }
  await writeFile(join(project, 'package.json'), '{"type":"module"}\n');
}
