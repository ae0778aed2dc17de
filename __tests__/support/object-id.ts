import { createHash } from 'node:crypto';

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag';

/** The name of an object: the SHA-1 of its header and body. */
export function objectId(type: ObjectType, body: Uint8Array): string {
  return createHash('sha1').update(`${type} ${body.length}\0`).update(body).digest('hex');
}

/** The body of a tree. The caller sorts. */
export function treeBody(entries: readonly [mode: string, name: string, oid: string][]): Buffer {
  return Buffer.concat(
    entries.flatMap(([mode, name, oid]) => [
      Buffer.from(`${mode} ${name}\0`),
      Buffer.from(oid, 'hex'),
    ]),
  );
}

/** The body of a commit with a fixed author and date. */
export function commitBody(tree: string, parents: readonly string[] = []): Buffer {
  const person = 'Ada Author <ada@example.com> 1700000000 +0000';
  return Buffer.from(
    [
      `tree ${tree}`,
      ...parents.map((parent) => `parent ${parent}`),
      `author ${person}`,
      `committer ${person}`,
      '',
      'made by hand',
      '',
    ].join('\n'),
  );
}
