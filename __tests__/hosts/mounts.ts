import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../support/run.js';
import type { Cleanup } from '../support/temporary-directory.js';

/** Only root may mount file systems, and a sandbox may forbid it even to root. */
export const CAN_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;

const IMAGE_BYTES = 64 * 1024 * 1024;

/** Mounts a file system until the cleanup. @returns its directory. */
export type Mount = (cleanup: Cleanup) => Promise<string>;

async function mountAt(
  { directory, defer }: Cleanup,
  mount: (place: string, scratch: string) => Promise<unknown>,
): Promise<string> {
  const scratch = await directory();
  const place = join(scratch, 'mounted');
  await mkdir(place);
  await mount(place, scratch);
  defer(() => run('umount', [place]));
  return place;
}

/** A loop device on a new file. */
async function loopDevice(scratch: string, { defer }: Cleanup, format: string[]): Promise<string> {
  const image = join(scratch, 'image');
  await run('truncate', ['-s', String(IMAGE_BYTES), image]);
  const [command = '', ...args] = format;
  await run(command, [...args, image]);
  const device = (await run('losetup', ['-f', '--show', image])).trim();
  defer(() => run('losetup', ['-d', device]));
  return device;
}

export const MOUNTS = {
  // Without the kernel's cache, which knows a removed name in another case for a second.
  exFAT: (cleanup) =>
    mountAt(cleanup, async (place, scratch) => {
      const device = await loopDevice(scratch, cleanup, ['mkfs.exfat']);
      await run('mount.exfat-fuse', ['-o', 'entry_timeout=0,attr_timeout=0', device, place]);
    }),
  // Shows all names in lower case.
  'NTFS of Windows': (cleanup) =>
    mountAt(cleanup, async (place, scratch) => {
      const device = await loopDevice(scratch, cleanup, ['mkfs.ntfs', '-F', '-Q']);
      await run('lowntfs-3g', ['-o', 'ignore_case,windows_names', device, place]);
    }),
  'NTFS of Linux': (cleanup) =>
    mountAt(cleanup, async (place, scratch) => {
      const device = await loopDevice(scratch, cleanup, ['mkfs.ntfs', '-F', '-Q']);
      await run('ntfs-3g', [device, place]);
    }),
  overlayfs: (cleanup) =>
    mountAt(cleanup, async (place, scratch) => {
      for (const name of ['lower', 'upper', 'work']) await mkdir(join(scratch, name));
      const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(scratch, name));
      const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
      await run('mount', ['-t', 'overlay', 'overlay', '-o', options, place]);
    }),
  tmpfs: (cleanup) =>
    mountAt(cleanup, (place) => run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', place])),
  'a bind mount': (cleanup) =>
    mountAt(cleanup, async (place) => {
      await run('mount', ['--bind', await cleanup.directory(), place]);
    }),
} as const satisfies Record<string, Mount>;
