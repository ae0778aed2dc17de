import type { SelectedRefs } from '../artifact/select-refs.js';
import { quoteConfigValue, trackingLines } from '../git/encode-config.js';
import { MAX_NAME_BYTES } from '../git/path-safety.js';
import { RefList } from '../git/ref-list.js';
import { encodeHead, type Head, type Ref } from '../git/refs.js';

export interface GitDirectoryInput extends Omit<SelectedRefs, 'basis'> {
  /** Commits whose parents the snapshot lacks. */
  readonly shallow: readonly string[];
  /** `remote.origin.url`. */
  readonly originUrl: string;
  readonly trustFileTimes: boolean;
}

/** A path below `.git/`, bytes as latin1. A directory's ends in a slash and has no content. */
export type GitFile = readonly [path: string, content: Buffer | undefined];

const DESCRIPTION = Buffer.from(
  "Unnamed repository; edit this file 'description' to name the repository.\n",
);
const EXCLUDE = Buffer.from(
  '# Patterns of files that git is to ignore in this clone only, as in .gitignore.\n',
);

/** The content of `.git` but packs and index, as `git clone` writes it. Parents come first. */
export function gitDirectory(input: GitDirectoryInput): readonly GitFile[] {
  const files: GitFile[] = [
    ['HEAD', encodeHead(input.head)],
    ['config', config(input)],
    ['description', DESCRIPTION],
    ['info/', undefined],
    ['info/exclude', EXCLUDE],
    ['objects/', undefined],
    ['objects/info/', undefined],
    ['objects/pack/', undefined],
    ['packed-refs', RefList.of(clonedRefs(input), 2 * input.refs.packed.length).packed],
    ['refs/', undefined],
    ['refs/heads/', undefined],
    ...looseBranch(input.head),
    ['refs/tags/', undefined],
  ];
  if (input.originHead !== undefined) {
    const target = input.originHead.replace(/^refs\/heads\//, 'refs/remotes/origin/');
    files.push(
      ['refs/remotes/', undefined],
      ['refs/remotes/origin/', undefined],
      ['refs/remotes/origin/HEAD', encodeHead({ kind: 'branch', ref: target, oid: undefined })],
    );
  }
  if (input.shallow.length > 0) {
    files.push(['shallow', Buffer.from(input.shallow.map((oid) => `${oid}\n`).join(''))]);
  }
  return files;
}

/**
 * HEAD's branch as a loose ref: a snapshot that is extracted over an older checkout must replace
 * the loose ref there, which takes precedence over `packed-refs`.
 */
function looseBranch(head: Head): GitFile[] {
  if (!isLoose(head)) return [];
  const { ref, oid } = head;
  const slashes = [...ref.matchAll(/\//g)].slice(2); // `refs/` and `refs/heads/` exist already
  const directories = slashes.map(({ index }): GitFile => [ref.slice(0, index + 1), undefined]);
  return [...directories, [ref, Buffer.from(`${oid}\n`)]];
}

/** Whether a file system can hold HEAD's branch as a file. */
function isLoose(head: Head): head is Head & { readonly kind: 'branch'; readonly oid: string } {
  if (head.kind !== 'branch' || head.oid === undefined) return false;
  return head.ref.split('/').every((name) => name.length <= MAX_NAME_BYTES);
}

/** The upstream's branches as remote-tracking branches, its tags; HEAD's branch if not loose. */
function* clonedRefs({ head, refs }: GitDirectoryInput): Generator<Ref> {
  if (head.kind === 'branch' && head.oid !== undefined && !isLoose(head)) {
    yield { name: head.ref, oid: head.oid };
  }
  for (const { name, oid, peeled } of refs) {
    yield { name: name.replace(/^refs\/heads\//, 'refs/remotes/origin/'), oid, peeled };
  }
}

function config({ head, originUrl, trustFileTimes, fetch }: GitDirectoryInput): Buffer {
  const lines = [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = false',
    '\tlogallrefupdates = true',
  ];
  if (trustFileTimes) lines.push('\tcheckStat = minimal', '\ttrustctime = false');
  lines.push(
    '[remote "origin"]',
    `\turl = ${quoteConfigValue(Buffer.from(originUrl).toString('latin1'))}`,
  );
  if (fetch !== undefined) lines.push(`\tfetch = ${quoteConfigValue(fetch)}`);
  if (head.kind === 'branch') lines.push(...trackingLines(head.ref));
  return Buffer.from(`${lines.join('\n')}\n`, 'latin1');
}
