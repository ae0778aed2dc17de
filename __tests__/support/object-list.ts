import { makePack, type PackEntry } from './hostile-pack.js';
import { commitBody, type ObjectType, objectId, treeBody } from './object-id.js';

type TreeLine = [mode: string, name: string, oid: string];

/** Objects for a pack made by hand, each once. Nothing is checked: they may name what is not there. */
export class ObjectList {
  readonly #entries = new Map<string, PackEntry>();

  /** @returns the object's id. */
  add(type: ObjectType, body: string | Uint8Array): string {
    const bytes = Buffer.from(body);
    const id = objectId(type, bytes);
    this.#entries.set(id, { type, body: bytes });
    return id;
  }

  blob(content = 'content\n'): string {
    return this.add('blob', content);
  }

  tree(...lines: TreeLine[]): string {
    return this.add('tree', treeBody(lines));
  }

  commit(tree: string, ...parents: string[]): string {
    return this.add('commit', commitBody(tree, parents));
  }

  tag(target: string, type: ObjectType = 'commit'): string {
    const lines = [`object ${target}`, `type ${type}`, 'tag hand-made', 'tagger A <a@b> 1 +0000'];
    return this.add('tag', `${lines.join('\n')}\n\nby hand\n`);
  }

  /** A commit of one file. */
  soundCommit(): string {
    return this.commit(this.tree(['100644', 'file.txt', this.blob()]));
  }

  /** For the fault `replace-pack`, with HEAD and `refs/heads/main` at `head` unless `refs` has them. */
  pack(head: string, refs: Record<string, string> = {}) {
    return {
      pack: makePack([...this.#entries.values()]),
      refs: { HEAD: head, 'refs/heads/main': head, ...refs },
    };
  }
}
