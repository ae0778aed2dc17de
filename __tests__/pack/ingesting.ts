import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EntryHeader } from '../../lib/pack/format.js';
import { ingestPack } from '../../lib/pack/ingest.js';
import type { IngestLimits } from '../../lib/pack/limits.js';
import type { ObjectTable } from '../../lib/pack/object-table.js';
import { ResolverPool } from '../../lib/pack/resolver-pool.js';
import { openFiles } from '../support/process-resources.js';
import { execute, run } from '../support/run.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const MIB = 1024 * 1024;

export const LIMITS: IngestLimits = {
  indexThreads: 2,
  maxObjects: 1_000_000,
  maxPackBytes: 256 * MIB,
  maxObjectBytes: 64 * MIB,
  maxObjectBytesInMemory: 64 * MIB,
  maxResolvedBytes: 4096 * MIB,
  maxExpansionRatio: 5000,
  deltaCacheBytes: 16 * MIB,
};

/** Adds a blob with a given id to a table. */
export function addBlob(table: ObjectTable, offset: number, crc: number, oid: Uint8Array): void {
  const object = table.add(offset, crc, { ...new EntryHeader(), type: 3 }, oid);
  table.columns.oids.set(oid, object * 20);
}

/** Joins pieces that are valid until the next one. */
export function whole(pieces: Iterable<Uint8Array>): Buffer {
  const copies: Buffer[] = [];
  for (const piece of pieces) copies.push(Buffer.from(piece));
  return Buffer.concat(copies);
}

export interface Ingested {
  /** `pack-{checksum}` */
  readonly name: string;
  readonly objects: number;
  readonly size: number;
  readonly idx: Buffer;
  /** As it lies on disk afterwards. */
  readonly pack: Buffer;
}

export interface IngestSettings extends Partial<IngestLimits> {
  /** Bytes of each piece in which the pack arrives. */
  chunk?: number | (() => number);
}

/** Keeps the memory to work in from one pack to the next: to take it anew costs more than a small pack. */
const threads = new ResolverPool();

/** Ingests a pack. @returns its two files, or what the ingest threw and what it left. */
export async function tryIngest(
  pack: Uint8Array,
  { chunk = 65536, ...limits }: IngestSettings = {},
): Promise<Ingested | { error: unknown; left: string[] }> {
  const { path, remove } = await temporaryDirectory();
  try {
    const source = inChunks(pack, chunk);
    const outcome = await ingestPack(source, path, { ...LIMITS, ...limits }, { threads }).then(
      async (result) => ({
        ...result,
        idx: await readFile(join(path, `${result.name}.idx`)),
        pack: await readFile(join(path, `${result.name}.pack`)),
      }),
      async (error: unknown) => ({ error, left: await readdir(path) }),
    );
    await threads.close();
    const open = await openFiles(path);
    if (open.length > 0) throw new Error(`still open: ${open}`);
    return outcome;
  } finally {
    await remove();
  }
}

export async function ingest(pack: Uint8Array, settings: IngestSettings = {}): Promise<Ingested> {
  const result = await tryIngest(pack, settings);
  if ('error' in result) throw result.error;
  return result;
}

/** The error of an ingest that has to fail. */
export async function refusal(pack: Uint8Array, settings: IngestSettings = {}): Promise<unknown> {
  const result = await tryIngest(pack, settings);
  if (!('error' in result)) throw new Error(`${result.objects} objects were taken`);
  // No file may be left that git or this library takes for a pack.
  const finished = result.left.filter((name) => name !== 'arriving.pack');
  if (finished.length > 0) throw new Error(`left behind: ${finished}`);
  return result.error;
}

/** Hands out one buffer again and again, and spoils it after each use: nobody may keep it. */
export async function* inChunks(
  bytes: Uint8Array,
  size: number | (() => number),
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const length = typeof size === 'number' ? size : size();
    const chunk = Buffer.from(bytes.subarray(at, at + length));
    yield chunk;
    chunk.fill(0xaa);
    at += length;
  }
}

/** The idx that git makes of a pack; `undefined` when git refuses the pack. */
export async function indexWithGit(
  pack: Uint8Array,
  ...options: string[]
): Promise<Buffer | undefined> {
  const { path, remove } = await temporaryDirectory();
  try {
    const [source, idx] = [join(path, 'a.pack'), join(path, 'a.idx')];
    await writeFile(source, pack);
    const { code } = await execute('git', ['index-pack', ...options, '-o', idx, source]);
    return code === 0 ? await readFile(idx) : undefined;
  } finally {
    await remove();
  }
}

/** The only pack of a repository. */
export async function packOf(repository: string): Promise<string> {
  const directory = join(repository, 'objects/pack');
  const packs = (await readdir(directory)).filter((name) => name.endsWith('.pack'));
  if (packs.length !== 1) throw new Error(`${packs.length} packs`);
  return join(directory, `${packs[0]}`);
}

/** Packs all objects of a repository anew, as a clone would be sent them. */
export async function packAll(repository: string, ...options: string[]): Promise<Buffer> {
  const { path, remove } = await temporaryDirectory();
  try {
    const args = ['pack-objects', '--quiet', '--all', '--window=4', ...options, join(path, 'all')];
    const name = (await run('git', args, { cwd: repository })).trim();
    return await readFile(join(path, `all-${name}.pack`));
  } finally {
    await remove();
  }
}

/** Ingests a repository's pack into a new directory. */
export async function ingestRepository(repository: string, directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const source = createReadStream(await packOf(repository));
  return (await ingestPack(source, directory, LIMITS)).name;
}
