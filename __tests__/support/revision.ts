import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePackedRefs, type RefList } from '../../lib/git/ref-list.js';
import type { Head } from '../../lib/git/refs.js';
import { revisionDirectory } from '../../lib/mirror/disk/layout.js';
import { digestRefs, writeRefs } from '../../lib/mirror/disk/refs-file.js';
import type { MirrorRevision } from '../../lib/mirror/disk/revision.js';

/** Turns a bare repository, whose objects are all in packs, into a mirror with one revision. */
export async function revisionOf(repository: string): Promise<MirrorRevision> {
  const refs = parsePackedRefs(await readFile(join(repository, 'packed-refs')));
  const head = await headOf(repository, refs);
  const digest = digestRefs(head, refs);
  await mkdir(revisionDirectory(repository), { recursive: true });
  writeRefs(revisionDirectory(repository), digest, refs);
  const files = await readdir(join(repository, 'objects/pack'));
  return {
    number: 1,
    repository: { host: 'git.test', path: 'org/repo' },
    clone: '0123456789abcdef',
    packs: files.filter((name) => name.endsWith('.pack')).map((name) => name.slice(0, -5)),
    head,
    digest,
    pinned: { commits: [], packs: [] },
    garbageSince: undefined,
    prunings: 0,
    isConnected: true,
  };
}

async function headOf(repository: string, refs: RefList): Promise<Head> {
  const text = (await readFile(join(repository, 'HEAD'), 'latin1')).replace(/\n$/, '');
  const ref = /^ref: (.*)$/s.exec(text)?.[1];
  if (ref === undefined) return { kind: 'detached', oid: text };
  return { kind: 'branch', ref, oid: refs.find(ref)?.oid };
}
