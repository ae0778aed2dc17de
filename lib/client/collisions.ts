/**
 * The files and symlinks of an archive, on a file system that reads several names as one. The file
 * system itself says which: these are only names for the result.
 */
export class Collisions {
  /** By their names without case and in one Unicode form; the latest of each. */
  readonly #latest = new Map<string, string>();
  readonly #collided = new Set<string>();

  /** Notes an entry that was written. */
  add(path: string): void {
    this.#latest.set(folded(path), path);
  }

  /** Whether the archive had this very path before. */
  has(path: string): boolean {
    return this.#collided.has(path) || this.#latest.get(folded(path)) === path;
  }

  /**
   * Notes that the name of an entry is taken.
   *
   * @returns the path that has it; `undefined` if it is a directory, or folds in an unknown way.
   */
  note(path: string): string | undefined {
    const other = this.#latest.get(folded(path));
    this.#collided.add(path);
    if (other !== undefined) this.#collided.add(other);
    return other;
  }

  /** Whether an entry shares its name with another one. */
  isNoted(path: string): boolean {
    return this.#collided.has(path);
  }

  /** All paths that share their name with another one, in the order of git's index. */
  get paths(): readonly string[] {
    return [...this.#collided].sort();
  }
}

/** Without case and in one Unicode form. @param path bytes as latin1. */
export function folded(path: string): string {
  return Buffer.from(path, 'latin1').toString().normalize('NFC').toLowerCase();
}
