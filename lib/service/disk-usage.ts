import { hasCode } from '../errors.js';
import { diskSpace } from '../fs/free-space.js';
import { FileSystemStore } from '../stores/filesystem/filesystem-store.js';
import type { ServiceParts } from './parts.js';
import type { DiskUsage } from './service-status.js';

type Parts = Pick<ServiceParts, 'config' | 'store' | 'mirrors' | 'diskBudgets'>;

/** As `SnapshotService.diskUsage`. */
export async function diskUsageOf(parts: Parts): Promise<DiskUsage> {
  const { maxMirrorBytes } = parts.diskBudgets;
  const [store, disk] = await Promise.all([storeUsage(parts), diskOf(parts.config.dataDir)]);
  return { mirrors: { bytes: sum(parts.mirrors.list()), maxBytes: maxMirrorBytes }, store, disk };
}

async function storeUsage({ config, store, diskBudgets }: Parts): Promise<DiskUsage['store']> {
  if (config.store !== undefined || !(store instanceof FileSystemStore)) return undefined;
  return { bytes: sum(await store.listEvictable()), maxBytes: diskBudgets.maxStoreBytes };
}

async function diskOf(directory: string): Promise<DiskUsage['disk']> {
  try {
    const { freeBytes, totalBytes } = await diskSpace(directory);
    return Number.isFinite(totalBytes) ? { freeBytes, bytes: totalBytes } : undefined;
  } catch (error) {
    // Another program may have removed the directory: the service makes it again when it writes.
    if (!hasCode(error)) throw error;
    return undefined;
  }
}

function sum(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((total, { bytes }) => total + bytes, 0);
}
