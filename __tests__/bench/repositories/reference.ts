import { deepStrictEqual } from 'node:assert';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cloneWithGit, extract } from '../../support/clone.js';
import { expectSameCheckout } from '../../support/compare.js';
import { fsck } from '../../support/fsck.js';
import type { Bench } from '../bench.js';
import type { Repository } from './repository.js';

/** git's own clone of a repository, which everything of ours has to be the same as. */
export class Reference {
  readonly #directory: string;
  #complaints: Promise<string[]> | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async clone(
    { scope, upstream }: Pick<Bench, 'scope' | 'upstream'>,
    repository: Repository,
  ): Promise<Reference> {
    const directory = join(await scope.directory(), 'clone');
    const path = await upstream.publish(repository);
    await cloneWithGit(`${upstream.url}/${path}`, directory);
    return new Reference(directory);
  }

  /** Asserts that a snapshot is the same checkout, and that git finds as much amiss in it. */
  async expectSnapshot(file: string, originUrl: string): Promise<void> {
    const directory = `${file}.extracted`;
    await extract(pathToFileURL(file).href, directory);
    await this.expectCheckout(directory, originUrl);
    this.#complaints ??= fsck(this.#directory);
    deepStrictEqual(await fsck(directory), await this.#complaints);
    await rm(directory, { recursive: true });
  }

  async expectCheckout(directory: string, originUrl: string): Promise<void> {
    await expectSameCheckout(directory, this.#directory, { originUrl });
  }
}
