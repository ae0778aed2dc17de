import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { FileSystemStore } from '../../../lib/stores/filesystem/filesystem-store.js';
import type { Priority, SnapshotStore } from '../../../lib/stores/store.js';
import { assertBytes, contentOf, rest } from '../../../lib/testing/store-content.js';

/*
 * What several processes do to one directory. Run as a program it takes `{directory} {seed} {rounds}`
 * and sends its parent 'part' for each part of an object that it wrote, and a report at the end.
 */

export interface Report {
  readonly written: number;
  readonly read: number;
}

const KEYS = ['a', 'b', 'c'];
const MAX_SIZE = 300_000;
const PART_SIZE = 20_000;

/** Numbers from 0 up to, not including, `limit`; the same for the same seed. */
export function random(seed: string): (limit: number) => number {
  let count = 0;
  return (limit) => {
    count += 1;
    return createHash('sha256').update(`${seed} ${count}`).digest().readUInt32BE() % limit;
  };
}

/** Stores an object whose bytes and priority follow from its metadata. */
async function write(store: SnapshotStore, key: string, seed: string, size: number): Promise<void> {
  const body = async function* () {
    const content = contentOf(seed, size);
    for (let start = 0; start < size; start += PART_SIZE) {
      yield content.subarray(start, start + PART_SIZE);
      process.send?.('part');
    }
  };
  const metadata = { seed, size: String(size) };
  await store.put(key, body(), { metadata, priority: priorityOf(size) });
}

function priorityOf(size: number): Priority {
  return size % 2 === 1 ? 'low' : 'normal';
}

/** Asserts that whatever is stored is whole; gives the number of objects read. */
export async function verify(store: SnapshotStore, key: string): Promise<number> {
  const opened = await store.open(key);
  if (opened === undefined) return 0;
  const { seed, size } = opened.metadata;
  assert.equal(opened.size, Number(size));
  assert.equal(opened.priority, priorityOf(Number(size)));
  assertBytes(await rest(opened.body), contentOf(String(seed), Number(size)));
  return 1;
}

async function main([directory = '', seed = '', rounds = '0']: string[]): Promise<void> {
  const store = new FileSystemStore({ directory, maxBytes: 2 * MAX_SIZE });
  const next = random(seed);
  let written = 0;
  let read = 0;
  for (let round = 0; round < Number(rounds); round += 1) {
    const key = KEYS[next(KEYS.length)] ?? '';
    const action = next(10);
    if (action < 5) {
      await write(store, key, `${seed} ${round}`, next(MAX_SIZE));
      written += 1;
    } else if (action < 9) {
      read += await verify(store, key);
    } else {
      await store.delete(key);
    }
  }
  process.send?.({ written, read } satisfies Report);
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
