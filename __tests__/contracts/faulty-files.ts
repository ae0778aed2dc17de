import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileSystemStore } from '../../lib/index.js';
import type { GetFileOptions } from '../../lib/stores/index.js';

/** The faults of a store with files, and the contract tests that catch each. */
export const FILE_FAULTS = {
  'adds a trailer to its files': ['the file of a revision has its bytes and nothing else'],
  'gives paths that need escapes': ['the file of a revision has its bytes and nothing else'],
  'ignores the revision of a file': ['a revision that is not stored has no file'],
  'uses a path again': ['the file of a replaced revision has its old bytes, or is gone'],
  'ignores the signal of getFile': ['getFile rejects with the reason of a signal that has aborted'],
} as const;

export type FileFault = keyof typeof FILE_FAULTS;

/** A correct store, and what becomes of it with one fault. */
export class FaultyFileStore extends FileSystemStore {
  readonly #directory: string;
  readonly #fault: FileFault;

  constructor(directory: string, fault: FileFault) {
    super({ directory });
    this.#directory = directory;
    this.#fault = fault;
  }

  override async getFile(key: string, { revision, signal }: GetFileOptions) {
    const isAny = this.#fault === 'ignores the revision of a file';
    const stored = (await super.stat(key))?.revision ?? revision;
    const file = await super.getFile(key, {
      revision: isAny ? stored : revision,
      ...(this.#fault !== 'ignores the signal of getFile' && { signal }),
    });
    if (file === undefined) return undefined;
    const { path } = file;
    if (this.#fault === 'gives paths that need escapes') return { ...file, path: `${path}?` };
    if (this.#fault === 'adds a trailer to its files') {
      await writeFile(join(this.#directory, path), 'trailer', { flag: 'a' });
    }
    if (this.#fault !== 'uses a path again') return file;
    const opened = await super.open(key, { revision: stored });
    if (opened !== undefined) await writeFile(join(this.#directory, 'again'), opened.body);
    return { ...file, path: 'again' };
  }
}
