import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Index, parseIndex, UnreadableIndexError } from '../../checkout/read-index.js';
import { messageOf } from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import { ConfigFile } from '../../git/config-file.js';
import { OID_PATTERN } from '../../git/object.js';
import { localChanges, unsupported } from './errors.js';
import { LocalRefs } from './local-refs.js';

/** A checkout in which git may have worked since it was restored. */
export interface Checkout {
  /** Of the working tree; absolute. */
  readonly directory: string;
  /** `.git` in it. */
  readonly gitDirectory: string;
  readonly config: ConfigFile;
  readonly refs: LocalRefs;
  /** `remote.origin.url` */
  readonly originUrl: string;
  /** Commits whose parents the checkout lacks. */
  readonly shallow: ReadonlySet<string>;
}

/** Names in `.git` of merges that are not concluded. `git reset --hard` removes them. */
export const UNFINISHED = [
  'MERGE_HEAD',
  'CHERRY_PICK_HEAD',
  'REVERT_HEAD',
  'MERGE_MSG',
  'MERGE_MODE',
  'SQUASH_MSG',
  'AUTO_MERGE',
];
const IN_PROGRESS = ['MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD'];

/** @throws SnapshotError `CHECKOUT_UNSUPPORTED` */
export async function openCheckout(directory: string): Promise<Checkout> {
  const gitDirectory = join(directory, '.git');
  if (!(await lstat(gitDirectory)).isDirectory()) {
    throw unsupported('its .git is no directory, as in a worktree or submodule');
  }
  const config = await readOwnConfig(gitDirectory);
  refuseConfig(config);
  if (await unlessMissing(lstat(join(gitDirectory, 'objects/info/alternates')))) {
    throw unsupported('it borrows objects of another repository (objects/info/alternates)');
  }
  const originUrl = config.text('remote.origin.url');
  if (originUrl === undefined) throw unsupported('it has no remote "origin"');
  const shallow = await readShallow(gitDirectory);
  return { directory, gitDirectory, config, refs: new LocalRefs(gitDirectory), originUrl, shallow };
}

/** @throws SnapshotError `CHECKOUT_UNSUPPORTED` */
export async function readConfig(path: string): Promise<ConfigFile> {
  const text = await unlessMissing(readFile(path, 'latin1'));
  if (text === undefined) throw unsupported('it has no .git/config');
  return parseConfig(text);
}

/** With `.git/config.worktree`, where `git sparse-checkout` writes: its values replace those before. */
async function readOwnConfig(gitDirectory: string): Promise<ConfigFile> {
  const path = join(gitDirectory, 'config');
  const config = await readConfig(path);
  if (!config.boolean('extensions.worktreeconfig', false)) return config;
  const texts = [path, `${path}.worktree`].map((file) => unlessMissing(readFile(file, 'latin1')));
  return parseConfig((await Promise.all(texts)).join('\n'));
}

function parseConfig(text: string): ConfigFile {
  try {
    return new ConfigFile(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unsupported(`.git/config: ${error.message}`, error);
  }
}

/** Extensions of the format change where refs, objects and the index are. */
function refuseConfig(config: ConfigFile): void {
  if (config.boolean('core.bare', false)) throw unsupported('it is bare');
  if (config.boolean('core.sparsecheckout', false)) throw unsupported('it is a sparse checkout');
  if (config.text('core.worktree') !== undefined) throw unsupported('it sets core.worktree');
  const known = ['extensions.worktreeconfig', 'extensions.noop', 'extensions.preciousobjects'];
  const isDefault = (key: string) =>
    (key === 'extensions.objectformat' && config.text(key) === 'sha1') ||
    (key === 'extensions.refstorage' && config.text(key) === 'files');
  const extension = config.keys.find(
    (key) => key.startsWith('extensions.') && !known.includes(key) && !isDefault(key),
  );
  if (extension !== undefined) throw unsupported(`it uses ${extension}`);
}

/** @returns ids of commits. */
export async function readShallow(gitDirectory: string): Promise<ReadonlySet<string>> {
  const text = (await unlessMissing(readFile(join(gitDirectory, 'shallow'), 'latin1'))) ?? '';
  return new Set(text.split('\n').filter((line) => OID_PATTERN.test(line)));
}

/** @throws SnapshotError `CHECKOUT_UNSUPPORTED` */
export async function readIndex({ gitDirectory }: Checkout): Promise<Index> {
  const bytes = await unlessMissing(readFile(join(gitDirectory, 'index')));
  if (bytes === undefined) return { files: new Map(), unmerged: new Set() };
  try {
    return parseIndex(bytes);
  } catch (error) {
    const isExpected = error instanceof UnreadableIndexError || error instanceof RangeError;
    if (isExpected) throw unsupported(`.git/index: ${messageOf(error)}`, error);
    throw error;
  }
}

/**
 * Refuses a checkout in which a merge or rebase is not concluded.
 *
 * @param force whether the update ends merges, as `git reset --hard` does.
 * @throws SnapshotError `LOCAL_CHANGES`; `CHECKOUT_UNSUPPORTED` for a rebase.
 */
export async function refuseUnfinished({ gitDirectory }: Checkout, force: boolean): Promise<void> {
  const names = new Set(await readdir(gitDirectory));
  const rebase = ['rebase-merge', 'rebase-apply'].find((name) => names.has(name));
  if (rebase !== undefined) throw unsupported(`a rebase is in progress (.git/${rebase})`);
  const merge = IN_PROGRESS.find((name) => names.has(name));
  if (merge !== undefined && !force) throw localChanges(`.git/${merge}: a merge is not concluded`);
}

/**
 * Refuses to move a branch that another worktree has checked out, as git does.
 *
 * @throws SnapshotError `CHECKOUT_UNSUPPORTED`
 */
export async function refuseOtherWorktree({ gitDirectory }: Checkout, ref: string): Promise<void> {
  const worktrees = join(gitDirectory, 'worktrees');
  for (const name of (await unlessMissing(readdir(worktrees))) ?? []) {
    const head = await unlessMissing(readFile(join(worktrees, name, 'HEAD'), 'latin1'));
    if (head?.trim() === `ref: ${ref}`) throw unsupported(`worktree ${name} is on ${ref}`);
  }
}
