import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { hasCode } from '../../lib/errors.js';
import { type RepackOptions, repack } from './repack.js';
import { git, run } from './run.js';
import { temporaryDirectory } from './temporary-directory.js';

/** `120000` is a symbolic link, whose content is its target; `160000` a submodule's commit id. */
export type FileMode = '100644' | '100755' | '120000' | '160000';

export type FileChange =
  | string
  | Uint8Array
  | { mode: FileMode; content: string | Uint8Array }
  /** Removes the file or directory. */
  | null;

/** Path to content. */
export type Files = Record<string, FileChange>;

export interface Commit {
  /** The branch, or any ref by its full name, that is moved to the commit. Default: main. */
  branch?: string;
  files?: Files;
  message?: string;
  /** What `commit` gave for the parents. Default: the commit before on this branch. */
  parents?: string[];
}

const EPOCH = 1_700_000_000;

/**
 * Writes a bare repository through `git fast-import`. What it writes follows from the calls alone:
 * the dates count up from one minute to the next. So during a run of the tests each new repository is made
 * once, and copied where the same calls come again.
 */
export class RepositoryBuilder {
  readonly directory: string;
  readonly #stream: Buffer[] = [];
  readonly #input = new PassThrough();
  #importing: Promise<string> | undefined;
  #marks = 0;
  #minutes: number;
  /** The default branch of a repository that is not there yet. */
  #head: string | undefined;

  private constructor(directory: string, minutes: number, head?: string) {
    this.directory = directory;
    this.#minutes = minutes;
    this.#head = head;
  }

  /** @param head the default branch, which need not come to exist. */
  static async create(directory: string, head = 'main'): Promise<RepositoryBuilder> {
    await mkdir(directory, { recursive: true });
    return new RepositoryBuilder(directory, 0, head);
  }

  /** Adds to an existing repository. */
  static async open(directory: string): Promise<RepositoryBuilder> {
    const commits = await git(directory, 'rev-list', '--count', '--all');
    return new RepositoryBuilder(directory, Number(commits));
  }

  /** @returns a mark that names the object in later calls. */
  blob(content: string | Uint8Array): string {
    this.#line('blob');
    const mark = this.#mark();
    this.#data(content);
    return mark;
  }

  /** @returns a mark that names the commit in later calls. */
  commit({ branch = 'main', files = {}, message, parents }: Commit): string {
    const ref = branch.startsWith('refs/') ? branch : `refs/heads/${branch}`;
    const contents = Object.entries(files).map(([path, change]) => this.#content(path, change));
    // Without this, fast-import would make the parents default to what the branch held.
    if (parents?.length === 0) this.ref(ref);
    this.#line(`commit ${ref}`);
    const mark = this.#mark();
    const date = this.#date();
    this.#line(`author Ada Author <ada@example.com> ${date}`);
    this.#line(`committer Carl Committer <carl@example.com> ${date}`);
    this.#data(message ?? `Commit ${this.#minutes}\n`);
    for (const [i, parent] of (parents ?? []).entries()) {
      this.#line(`${i === 0 ? 'from' : 'merge'} ${parent}`);
    }
    for (const line of contents) this.#line(line);
    return mark;
  }

  /** Points a ref (its full name) to an object, or makes the next commit on it a root. */
  ref(name: string, target?: string): void {
    this.#line(`reset ${name}`);
    if (target !== undefined) this.#line(`from ${target}`);
    this.#line('');
  }

  /** Makes an annotated tag. */
  tag(name: string, target: string, message = `${name}\n`): void {
    this.#line(`tag ${name}`);
    this.#line(`from ${target}`);
    this.#line(`tagger Carl Committer <carl@example.com> ${this.#date()}`);
    this.#data(message);
  }

  /** Hands git what there is so far: a long history need not fit into memory. */
  async flush(): Promise<void> {
    await this.#init();
    const importing = this.#import();
    if (this.#input.write(Buffer.concat(this.#stream.splice(0)))) return;
    // A write fails when git has ended.
    await Promise.race([once(this.#input, 'drain'), importing]);
  }

  /**
   * Writes everything.
   *
   * @returns the object id of each mark.
   */
  async finish(options: RepackOptions = {}): Promise<Map<string, string>> {
    this.#line('done');
    const cache = process.env.TEST_FIXTURES;
    if (cache === undefined || this.#head === undefined) {
      await this.#write(options);
      return await takeMarks(this.directory);
    }
    const recipe = createHash('sha256').update(JSON.stringify([this.#head, options]));
    for (const piece of this.#stream) recipe.update(piece);
    const kept = join(cache, recipe.digest('hex'));
    if (!(await copy(kept, this.directory))) {
      await this.#write(options);
      await keep(this.directory, kept);
    }
    return await takeMarks(this.directory);
  }

  async #write(options: RepackOptions): Promise<void> {
    await this.flush();
    this.#input.end();
    await this.#import();
    await repack(this.directory, options);
  }

  async #init(): Promise<void> {
    const head = this.#head;
    this.#head = undefined;
    if (head === undefined) return;
    await git(this.directory, 'init', '--quiet', '--bare', '--template=', `-b${head}`);
  }

  #import(): Promise<string> {
    const args = ['fast-import', '--quiet', '--done', '--force', '--export-marks=marks'];
    this.#importing ??= run('git', args, { cwd: this.directory, input: this.#input });
    return this.#importing;
  }

  #content(path: string, change: FileChange): string {
    if (change === null) return `D ${quotePath(path)}`;
    const plain = typeof change === 'string' || change instanceof Uint8Array;
    const { mode, content } = plain ? { mode: '100644', content: change } : change;
    const object = mode === '160000' ? String(content) : this.blob(content);
    return `M ${mode} ${object} ${quotePath(path)}`;
  }

  #mark(): string {
    this.#marks += 1;
    this.#line(`mark :${this.#marks}`);
    return `:${this.#marks}`;
  }

  #date(): string {
    this.#minutes += 1;
    return `${EPOCH + 60 * this.#minutes} +0000`;
  }

  #data(content: string | Uint8Array): void {
    const bytes = Buffer.from(content);
    this.#line(`data ${bytes.length}`);
    this.#stream.push(bytes, Buffer.from('\n'));
  }

  #line(text: string): void {
    this.#stream.push(Buffer.from(`${text}\n`));
  }
}

/** @returns whether it existed. */
async function copy(kept: string, directory: string): Promise<boolean> {
  try {
    await cp(kept, directory, { recursive: true });
    return true;
  } catch (error) {
    if (hasCode(error) && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function keep(directory: string, kept: string): Promise<void> {
  const { path, remove } = await temporaryDirectory();
  await cp(directory, join(path, 'repository'), { recursive: true });
  // Another process may have made the same repository first.
  await rename(join(path, 'repository'), kept).catch(() => {});
  await remove();
}

/** @returns the object id of each mark. Leaves no trace of them. */
async function takeMarks(directory: string): Promise<Map<string, string>> {
  const file = join(directory, 'marks');
  const lines = (await readFile(file, 'latin1')).split('\n').filter((line) => line !== '');
  await rm(file);
  return new Map(lines.map((line) => [line.slice(0, -41), line.slice(-40)]));
}

/** git's C-style quoting, which can write every path. A `\udcXX` surrogate stands for the byte XX. */
function quotePath(path: string): string {
  const characters = Array.from(path, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const bytes = code >= 0xdc80 && code <= 0xdcff ? [code - 0xdc00] : Buffer.from(character);
    return Array.from(bytes, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  });
  return `"${characters.join('')}"`;
}
