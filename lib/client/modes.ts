import { chmodSync, lstatSync } from 'node:fs';
import type { Place } from './file-system.js';

/** The mode that git asks for, of which the umask takes bits. Other modes are as in the archive. */
export function creationMode(mode: number): number {
  if (mode === 0o644) return 0o666;
  return mode === 0o755 ? 0o777 : mode;
}

/** Keeps a directory's setgid bit, with which new files get the group of a shared directory. */
export function setMode(place: Place, permissions: number): void {
  chmodSync(place, (lstatSync(place).mode & 0o7000) | permissions);
}
