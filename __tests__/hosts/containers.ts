import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execute, type Outcome, run } from '../support/run.js';
import type { Cleanup } from '../support/temporary-directory.js';

/** Podman with images and containers of its own, which are gone after the tests. */
export class Podman {
  readonly #options: readonly string[];

  private constructor(place: string) {
    const directories = ['--root', join(place, 'store'), '--runroot', join(place, 'run')];
    // Of the runtimes, only runc takes machines that have both versions of cgroups.
    const kinds = ['--cgroup-manager', 'cgroupfs', '--runtime', 'runc', '--log-level', 'error'];
    this.#options = [...directories, ...kinds];
  }

  static async start({ directory, defer }: Cleanup): Promise<Podman> {
    const podman = new Podman(await directory());
    defer(() => podman.run('system', 'reset', '--force'));
    return podman;
  }

  async run(...args: string[]): Promise<string> {
    return (await run('podman', [...this.#options, ...args])).trim();
  }

  async execute(...args: string[]): Promise<Outcome> {
    return await execute('podman', [...this.#options, ...args]);
  }

  /** Makes an image of a root directory. @param changes instructions of a Dockerfile. */
  async import(root: string, image: string, changes: readonly string[]): Promise<void> {
    const tarball = `${root}.tar`;
    await run('tar', ['-C', root, '-cf', tarball, '.']);
    const flags = changes.flatMap((change) => ['--change', change]);
    await this.run('import', '--quiet', ...flags, tarball, image);
  }
}

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Makes stand-ins for the base images of the example, as this machine may not reach their registries: this
 * Node and npm, a shell, and the libraries that they need, where the real images have them.
 */
export async function importBaseImages(podman: Podman, { directory }: Cleanup): Promise<void> {
  const install = join(await directory(), 'install');
  await addNode(install, 'usr/local/bin/node');
  await mkdir(join(install, 'bin'), { recursive: true });
  await copyFile(await realpath('/bin/busybox'), join(install, 'bin/busybox'));
  for (const name of ['sh', 'mkdir', 'env']) await symlink('busybox', join(install, 'bin', name));
  await mkdir(join(install, 'usr/bin'), { recursive: true });
  await symlink('/bin/busybox', join(install, 'usr/bin/env'));
  const npm = dirname(dirname(await realpath((await run('sh', ['-c', 'command -v npm'])).trim())));
  await cp(npm, join(install, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(install, 'usr/local/bin/npm'));
  const registry = await run('npm', ['config', 'get', 'registry'], { env: process.env });
  const changes = ['ENV PATH=/usr/local/bin:/usr/bin:/bin', `ENV npm_config_registry=${registry}`];
  if (existsSync(CERTIFICATES)) {
    await mkdir(join(install, dirname(CERTIFICATES)), { recursive: true });
    await copyFile(CERTIFICATES, join(install, CERTIFICATES));
    changes.push(`ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}`);
  }
  await podman.import(install, 'docker.io/library/node:24-slim', changes);

  const distroless = join(await directory(), 'distroless');
  await addNode(distroless, 'nodejs/bin/node');
  await podman.import(distroless, 'gcr.io/distroless/nodejs24-debian12:nonroot', [
    'ENTRYPOINT ["/nodejs/bin/node"]',
    'USER 65532',
  ]);
}

/** Puts this Node, its libraries and the users of the image into a root directory. */
async function addNode(root: string, path: string): Promise<void> {
  const node = await realpath(process.execPath);
  const libraries = (await run('ldd', [node])).match(/\/\S+/g) ?? [];
  // The C library loads these when it resolves names.
  const folder = dirname(libraries.find((library) => library.includes('libc.so')) ?? '/lib');
  const resolvers = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];
  const files = [...libraries, ...resolvers.map((name) => join(folder, name))];
  for (const file of files.filter((name) => existsSync(name))) {
    await mkdir(join(root, dirname(file)), { recursive: true });
    await copyFile(file, join(root, file));
  }
  await mkdir(join(root, dirname(path)), { recursive: true });
  await copyFile(node, join(root, path));
  for (const name of ['etc', 'tmp', 'proc', 'sys', 'dev']) {
    await mkdir(join(root, name), { recursive: true });
  }
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/:\nnonroot:x:65532:65532::/:\n');
}
