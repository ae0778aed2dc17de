import { shownName } from '../../archive/entry-path.js';
import { SnapshotError } from '../../errors.js';

/** The most paths that a message shows. */
const SHOWN_PATHS = 5;

export function unsupported(why: string, cause?: unknown): SnapshotError {
  const message = `the checkout can't be updated: ${why}`;
  return new SnapshotError('CHECKOUT_UNSUPPORTED', message, { cause });
}

/** @param lock path of the file with which git excludes other writers. */
export function locked(lock: string): SnapshotError {
  const message = `${lock} exists: a git program is running; if none is, remove this file`;
  return new SnapshotError('CHECKOUT_LOCKED', message);
}

/** @param what another program has changed since the update looked at it. */
export function changedMeanwhile(what: string): SnapshotError {
  return new SnapshotError('CHECKOUT_LOCKED', `another program has changed ${what} meanwhile`);
}

export function localChanges(why: string): SnapshotError {
  return new SnapshotError('LOCAL_CHANGES', `${why}; nothing in the working tree was changed`);
}

/** @param paths bytes as latin1. */
export function changedPaths(paths: readonly string[]): SnapshotError {
  const shown = paths.slice(0, SHOWN_PATHS).map(shownName).join(', ');
  const more = paths.length > SHOWN_PATHS ? ` and ${paths.length - SHOWN_PATHS} more` : '';
  return localChanges(`the update would overwrite local changes in ${shown}${more}`);
}

export function diverged(why: string): SnapshotError {
  return new SnapshotError('DIVERGED', `${why}; nothing in the working tree was changed`);
}

/** A bundle, or a commit in it, that no server may send. */
export function invalidUpdate(why: string, cause?: unknown): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', why, { cause });
}
