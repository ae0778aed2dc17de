import { makePack, type PackEntry } from './hostile-pack.js';
import { commitBody, type ObjectType, objectId, treeBody } from './object-id.js';

/** Mode, name and content; a list of entries is a subtree. Written in the order given. */
export type HandMadeEntry = [mode: string, name: string, content: string | HandMadeEntry[]];

/**
 * A pack with one commit of a tree that git would not write: `.git`, `..`, names with a slash,
 * duplicates, a wrong order, odd modes. For the fault `replace-pack`.
 */
export function packOfTree(entries: HandMadeEntry[]): {
  pack: Buffer;
  refs: Record<string, string>;
} {
  const objects = new Map<string, PackEntry>();
  const add = (type: ObjectType, body: Buffer): string => {
    const id = objectId(type, body);
    objects.set(id, { type, body });
    return id;
  };
  const addTree = (tree: HandMadeEntry[]): string =>
    add(
      'tree',
      treeBody(
        tree.map(([mode, name, content]) => [
          mode,
          name,
          typeof content === 'string' ? add('blob', Buffer.from(content)) : addTree(content),
        ]),
      ),
    );
  const head = add('commit', commitBody(addTree(entries)));
  return {
    pack: makePack([...objects.values()]),
    refs: { HEAD: head, 'refs/heads/main': head },
  };
}
