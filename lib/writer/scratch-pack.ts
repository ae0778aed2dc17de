import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import { writePack } from '../pack/write-pack.js';
import type { ArtifactTask, WriteContext } from './write-context.js';

/** Writes a pack of these objects into the scratch directory. @returns its path, without ending. */
export async function writeScratchPack(
  { scratch, limits }: ArtifactTask,
  context: WriteContext,
  reader: ObjectReader,
  objects: ObjectSet,
): Promise<string> {
  mkdirSync(scratch);
  const pack = await writePack(reader, objects, scratch, { ...context, limits });
  return join(scratch, pack.name);
}
