import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../support/run.js';
import type { Cleanup } from '../support/temporary-directory.js';

/** Only root may mount file systems. */
export const CAN_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;

/** Mounts by `command` on a new directory, until the cleanup. @returns the directory. */
async function mounted(
  { directory, defer }: Cleanup,
  command: (place: string) => readonly string[],
): Promise<string> {
  const place = await directory();
  const [program = '', ...args] = command(place);
  await run(program, args);
  // Lazily: a thread that is ending may still have the directory open.
  defer(() => run('umount', ['--lazy', place]));
  return place;
}

/** A loop device on a new file with a file system. */
async function loopDevice({ directory, defer }: Cleanup, format: readonly string[]) {
  const image = join(await directory(), 'image');
  await run('truncate', ['-s', '128M', image]);
  const [program = '', ...args] = format;
  await run(program, [...args, image]);
  const device = (await run('losetup', ['--find', '--show', image])).trim();
  defer(() => run('losetup', ['--detach', device]));
  return device;
}

export async function exFat(cleanup: Cleanup): Promise<string> {
  const device = await loopDevice(cleanup, ['mkfs.exfat']);
  return await mounted(cleanup, (place) => ['mount.exfat-fuse', device, place]);
}

export async function ntfs(cleanup: Cleanup): Promise<string> {
  const device = await loopDevice(cleanup, ['mkfs.ntfs', '-F', '-Q']);
  return await mounted(cleanup, (place) => ['ntfs-3g', device, place]);
}

export async function tmpfs(cleanup: Cleanup, size: string): Promise<string> {
  return await mounted(cleanup, (place) => [
    'mount',
    ...['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place],
  ]);
}

/** As in a container: `lower` is a directory of its image. */
export async function overlay(cleanup: Cleanup, lower: string): Promise<string> {
  const scratch = await tmpfs(cleanup, '64m');
  const [upper, work] = ['upper', 'work'].map((name) => join(scratch, name));
  for (const name of ['upper', 'work']) await mkdir(join(scratch, name));
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  return await mounted(cleanup, (place) => [
    'mount',
    ...['-t', 'overlay', 'overlay', '-o', options, place],
  ]);
}

export async function readOnly(cleanup: Cleanup, directory: string): Promise<string> {
  return await mounted(cleanup, (place) => ['mount', '--bind', '-o', 'ro', directory, place]);
}
