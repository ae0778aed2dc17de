import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import type { ObjectSet } from '../../lib/pack/object-set.js';
import { ObjectReader } from '../../lib/pack/reader.js';
import { git } from '../support/run.js';

const MIB = 1024 * 1024;
const memory = new ObjectMemory(0);

/** A reader of all packs of a repository, or of a directory of packs. The caller's to close. */
export async function openReader(directory: string, deltaCacheBytes = MIB): Promise<ObjectReader> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.pack')).sort();
  const limits = { deltaCacheBytes, maxObjectBytesInMemory: 64 * MIB };
  const paths = names.map((name) => join(directory, name.slice(0, -'.pack'.length)));
  return new ObjectReader(paths, limits, memory);
}

export const packsOf = (repository: string) => join(repository, 'objects/pack');

/** Ids, sorted. */
export function idsOf(reader: ObjectReader, objects: ObjectSet): string[] {
  return [...objects].map((number) => reader.oidOf(number)).sort();
}

/** The sorted ids of `git rev-list --objects`. */
export async function revList(repository: string, ...args: string[]): Promise<string[]> {
  const output = await git(repository, 'rev-list', '--objects', ...args);
  const ids = output.split('\n').map((line) => line.slice(0, 40));
  return [...new Set(ids)].filter((id) => id !== '').sort();
}
