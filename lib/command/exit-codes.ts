import { DownloadError } from '../client/download-error.js';
import { SnapshotError } from '../errors.js';
import { Interrupted } from './surroundings.js';
import { UsageError } from './syntax.js';

/** The exit codes of the command. Their meanings never change. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  target: 4,
  /** `EX_TEMPFAIL` of sysexits(3). */
  temporary: 75,
} as const;

/** For the help. */
export const EXIT_CODE_MEANINGS = {
  [EXIT.done]: 'done',
  [EXIT.failed]: 'any other failure',
  [EXIT.usage]: 'the command line or an environment variable is wrong',
  [EXIT.refused]: 'there is no such repository or ref, or the server refuses it',
  [EXIT.target]: 'the directory has files or commits that would be lost, or is no such checkout',
  [EXIT.temporary]: 'a failure of the network or a busy server: try again later',
  '128 + n': 'signal n ended the command',
};

const OF_TARGET = [
  'TARGET_NOT_EMPTY',
  'LOCAL_CHANGES',
  'DIVERGED',
  'CHECKOUT_UNSUPPORTED',
] as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof UsageError || SnapshotError.is(error, 'INVALID_OPTIONS')) return EXIT.usage;
  if (SnapshotError.is(error, ...OF_TARGET)) return EXIT.target;
  if (SnapshotError.is(error, 'CHECKOUT_LOCKED')) return EXIT.temporary;
  if (DownloadError.is(error)) {
    if (error.isTransient) return EXIT.temporary;
    if (isRefusal(error)) return EXIT.refused;
  }
  return EXIT.failed;
}

function isRefusal({ status = 0, remoteCode }: DownloadError): boolean {
  const isOfUpstream = remoteCode === 'UPSTREAM_NOT_FOUND' || remoteCode === 'UPSTREAM_DENIED';
  return isOfUpstream || (status >= 400 && status < 500);
}
