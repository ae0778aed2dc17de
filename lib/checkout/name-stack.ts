/**
 * Finds names that are there twice in a tree in the order of the index. A file and a directory of one name
 * need not be neighbours: `a-` comes between `a` and `a/`. But all that comes between begins with that name.
 *
 * Memory: the names that the latest one begins with.
 */
export class NameStack {
  readonly #names: string[] = [];

  /** @returns whether it is new. */
  add(name: string): boolean {
    const names = this.#names;
    for (let last = names.at(-1); last !== undefined; last = names.at(-1)) {
      if (last === name) return false;
      if (name.startsWith(last)) break;
      names.pop();
    }
    names.push(name);
    return true;
  }
}
