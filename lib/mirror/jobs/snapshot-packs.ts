import { ByteReader } from '../../archive/byte-reader.js';
import { decompress } from '../../archive/decompress.js';
import { readTar } from '../../archive/tar-reader.js';
import { SnapshotError } from '../../errors.js';
import { parsePackedRefs, RefList } from '../../git/ref-list.js';
import type { Ref } from '../../git/refs.js';
import {
  type IngestedPack,
  type IngestLimits,
  type IngestOptions,
  ingestPack,
} from '../../pack/ingest.js';

/** What a snapshot gives to a mirror. */
export interface SnapshotPacks {
  readonly packs: readonly IngestedPack[];
  /** What the upstream had: full names, as there. Nothing says that their objects are there. */
  readonly refs: RefList;
}

const PACK = /^\.git\/objects\/pack\/pack-[0-9a-f]{40}\.pack$/;
/** More than a snapshot has. */
const MAX_PACKS = 64;
const MAX_ENTRIES = 1000;
/** Of what is no pack, beyond what idx files may take. */
const MAX_OTHER_BYTES = 64 * 1024 * 1024;
/** An idx takes some 30 bytes an object, and an object in a pack at least a dozen. */
const MAX_IDX_RATIO = 4;
/** The names of branches are longer there than the upstream's. */
const MAX_REFS_RATIO = 2;

/**
 * Takes the packs and refs out of an archive of a whole repository. The packs are indexed anew and every
 * object of them is hashed, as if they came from the upstream: the archive is not trusted. What follows
 * `.git` is not read.
 *
 * @param into where the packs go. On failure the files are left for whoever owns the directory to remove.
 * @throws SnapshotError `ARCHIVE_INVALID`, `UPSTREAM_INVALID`, `REPOSITORY_DAMAGED`, `LIMIT_EXCEEDED`,
 * `STORAGE_FULL`.
 */
export async function unpackSnapshotPacks(
  archive: AsyncIterable<Uint8Array>,
  into: string,
  limits: IngestLimits & { readonly maxRefsBytes: number; readonly maxPackBytes: number },
  options: IngestOptions,
): Promise<SnapshotPacks> {
  const reader = new ByteReader(decompress(archive));
  const packs: IngestedPack[] = [];
  let refs = RefList.of([]);
  let entries = 0;
  let packBytes = 0;
  let otherBytes = 0;
  try {
    for await (const { path, size } of readTar(reader)) {
      if (path === '' || path === '.git') continue;
      if (!path.startsWith('.git/')) break;
      if (++entries > MAX_ENTRIES) throw invalid(`it has more than ${MAX_ENTRIES} entries`);
      if (PACK.test(path)) packBytes += size;
      else otherBytes += size;
      if (otherBytes > MAX_OTHER_BYTES + MAX_IDX_RATIO * packBytes) {
        throw invalid(`it has ${otherBytes} bytes beside its packs`);
      }
      if (path === '.git/shallow') throw invalid('it has not all of the history');
      if (path === '.git/packed-refs') {
        if (size > MAX_REFS_RATIO * limits.maxRefsBytes)
          throw tooMuch(`its refs have ${size} bytes`);
        refs = RefList.of(upstreamRefs(await reader.take(size)));
      } else if (PACK.test(path)) {
        if (size > limits.maxPackBytes) throw tooMuch(`a pack of it has ${size} bytes`);
        if (packs.length === MAX_PACKS) throw invalid(`it has more than ${MAX_PACKS} packs`);
        const pack = await ingestPack(content(reader, size), into, limits, options);
        if (packs.some(({ name }) => name === pack.name)) throw invalid('it has a pack twice');
        packs.push(pack);
      }
    }
  } finally {
    await reader.close();
  }
  return { packs, refs };
}

async function* content(reader: ByteReader, size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; ) {
    const bytes = await reader.takeAvailable(left);
    left -= bytes.length;
    yield bytes;
  }
}

/** Undoes what a clone makes of refs. What tags finally name is not taken on trust. */
function* upstreamRefs(packedRefs: Buffer): Generator<Ref> {
  const remote = 'refs/remotes/origin/';
  for (const { name, oid } of parsePackedRefs(packedRefs)) {
    if (name.startsWith('refs/tags/')) yield { name, oid };
    if (name.startsWith(remote)) yield { name: `refs/heads/${name.slice(remote.length)}`, oid };
  }
}

function tooMuch(what: string): SnapshotError {
  return new SnapshotError('LIMIT_EXCEEDED', `no mirror is made of the snapshot: ${what}`);
}

function invalid(what: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `no mirror can be made of the snapshot: ${what}`);
}
