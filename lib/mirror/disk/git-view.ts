import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyToNew } from '../../fs/copy-file.js';
import { unlessMissing } from '../../fs/errors.js';
import { replace } from '../../fs/replace.js';
import { temporaryName } from '../../fs/temporary.js';
import { quoteConfigValue } from '../../git/encode-config.js';
import { encodeHead } from '../../git/refs.js';
import { refsPath } from './layout.js';
import type { MirrorRevision } from './revision.js';

// The files of a mirror that only git reads.

/** The directory with a ref for each commit that a client requested by id. */
const PINNED_REFS = join('refs', 'pinned');

type Shown = Pick<MirrorRevision, 'head' | 'digest' | 'pinned'>;

/** @param upstreamUrl without credentials. */
export async function writeConfig(mirror: string, upstreamUrl: string): Promise<void> {
  const lines = [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = true',
    '[remote "origin"]',
    `\turl = ${quoteConfigValue(upstreamUrl)}`,
    '\tfetch = +refs/heads/*:refs/heads/*',
    '\tfetch = +refs/tags/*:refs/tags/*',
    '',
  ];
  await writeFile(join(mirror, 'config'), lines.join('\n'));
}

/** Shows a revision to git: first its refs, then its HEAD. */
export async function showToGit(mirror: string, { head, digest, pinned }: Shown): Promise<void> {
  await replaceFile(join(mirror, 'packed-refs'), (path) =>
    copyToNew(refsPath(mirror, digest), path),
  );
  await replaceFile(join(mirror, 'HEAD'), (path) => writeFile(path, encodeHead(head)));
  await rm(join(mirror, PINNED_REFS), { recursive: true, force: true });
  if (pinned.commits.length === 0) return;
  await mkdir(join(mirror, PINNED_REFS), { recursive: true });
  for (const oid of pinned.commits) {
    await writeFile(join(mirror, PINNED_REFS, oid), `${oid}\n`);
  }
}

/** Whether git sees this revision. After a crash it may still see the previous one. */
export async function isShownToGit(mirror: string, revision: Shown): Promise<boolean> {
  const { head, digest, pinned } = revision;
  const hasContent = async (path: string, content: Buffer) =>
    (await unlessMissing(readFile(join(mirror, path))))?.equals(content) === true;
  if (!(await hasContent('HEAD', encodeHead(head)))) return false;
  if (!(await hasContent('packed-refs', await readFile(refsPath(mirror, digest))))) return false;
  const shown = (await unlessMissing(readdir(join(mirror, PINNED_REFS)))) ?? [];
  return shown.sort().join() === [...pinned.commits].sort().join();
}

async function replaceFile(
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = path + temporaryName('');
  try {
    await write(temporary);
    await replace(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
