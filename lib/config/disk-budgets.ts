import { statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { hasCode } from '../errors.js';
import type { ServiceConfig } from './options.js';

const GIB = 2 ** 30;
/** The most that a default budget is, and the part of the disk that it is otherwise. */
const MIRRORS = { bytes: 100 * GIB, part: 1 / 2 };
const STORE = { bytes: 50 * GIB, part: 1 / 4 };

export interface DiskBudgets {
  readonly maxMirrorBytes: number;
  /** Of the default store. */
  readonly maxStoreBytes: number;
  /** Why these budgets can never be kept; `undefined` if they can. */
  readonly warning: string | undefined;
}

/** The budgets of the disk. The defaults depend on its size. */
export function diskBudgets({ budgets, dataDir, store }: ServiceConfig): DiskBudgets {
  const size = diskSize(resolve(dataDir));
  const derive = ({ bytes, part }: typeof MIRRORS) => Math.min(bytes, Math.floor(size * part));
  const maxMirrorBytes = budgets.maxMirrorBytes ?? derive(MIRRORS);
  const maxStoreBytes = budgets.maxStoreBytes ?? derive(STORE);
  const sum = maxMirrorBytes + (store === undefined ? maxStoreBytes : 0);
  const names = store === undefined ? 'maxMirrorBytes and maxStoreBytes' : 'maxMirrorBytes';
  const warning =
    sum <= size
      ? undefined
      : `the budgets can't be kept: ${names} allow ${sum} bytes, the disk of dataDir has ${size}`;
  return { maxMirrorBytes, maxStoreBytes, warning };
}

/** Bytes of the disk that holds a path, or will; infinite if that is unknown. */
function diskSize(path: string): number {
  for (let place = path; ; place = dirname(place)) {
    try {
      const { blocks, bsize } = statfsSync(place);
      // Some network file systems do not tell.
      return blocks === 0 ? Number.POSITIVE_INFINITY : blocks * bsize;
    } catch (error) {
      if (!hasCode(error)) throw error;
      if (place === dirname(place)) return Number.POSITIVE_INFINITY;
    }
  }
}
