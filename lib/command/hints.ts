import { DownloadError } from '../client/download-error.js';
import { ERRORS, isErrorCode } from '../error-codes.js';
import { SnapshotError } from '../errors.js';
import { UsageError } from './syntax.js';

/** What to do about a failure of a command, if its message does not say so. */
export function hintFor(error: unknown, command?: string): string | undefined {
  if (error instanceof UsageError) {
    return ['See express-git-snapshot', command, '--help'].filter(Boolean).join(' ');
  }
  if (SnapshotError.is(error, 'NAME_UNSUPPORTED')) {
    return '--skip-unsupported leaves such files out.';
  }
  if (SnapshotError.is(error, 'TARGET_NOT_EMPTY')) {
    return 'It must be missing or empty, or a checkout of the same repository, which is brought up to date.';
  }
  if (SnapshotError.is(error, 'LOCAL_CHANGES', 'DIVERGED')) {
    return '--force drops local changes and commits.';
  }
  return DownloadError.is(error) ? hintForAnswer(error) : undefined;
}

function hintForAnswer({ status, remoteCode, retryAfter }: DownloadError): string | undefined {
  if (remoteCode === undefined && status === 404) {
    return 'The URL must be that of a repository on a server of snapshots: {server}/git/{host}/{owner}/{name}';
  }
  if (status === 401) {
    return 'The server asks for valid credentials: set GIT_SNAPSHOT_TOKEN, or GIT_SNAPSHOT_HEADER.';
  }
  const sentences: string[] = [];
  if (remoteCode !== undefined && isErrorCode(remoteCode)) {
    const [, , text, advice] = ERRORS[remoteCode];
    sentences.push(text, advice);
  }
  if (retryAfter !== undefined) sentences.push(`It may succeed in ${retryAfter} s.`);
  return sentences.length > 0 ? sentences.join(' ') : undefined;
}
