import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import {
  createEntryQueue,
  EntryQueueReader,
  EntryQueueWriter,
} from '../../lib/pack/entry-queue.js';
import { SeededRandom, seededBytes } from '../support/random.js';

const MAX_CONTENT = 1024 * 1024;

function contents(seed: number, count: number): Buffer[] {
  const random = new SeededRandom(seed);
  const noise = seededBytes(seed, MAX_CONTENT + 4096);
  return Array.from({ length: count }, () => {
    const size = random.pick([0, 1, 7, 8, 100, 5000, 300_000, MAX_CONTENT]);
    const start = random.below(4096);
    return noise.subarray(start, start + (random.below(2) === 0 ? random.below(size + 1) : size));
  });
}

function digestOf(entries: readonly (readonly [number, Uint8Array])[]): string {
  const hash = createHash('sha1');
  for (const [object, content] of entries)
    hash.update(`${object} ${content.length} `).update(content);
  return hash.digest('hex');
}

test('A queue gives out entries in the order in which they were put in, over many laps', () => {
  const memory = createEntryQueue();
  const writer = new EntryQueueWriter(memory);
  const reader = new EntryQueueReader(memory, () => {});
  const read: [number, Buffer][] = [];
  const drain = () => {
    writer.pause();
    reader.readAll((object, bytes, start, end) => {
      read.push([object, Buffer.from(bytes.subarray(start, end))]);
    });
    expect(writer.backlog).toBe(0);
    writer.resume();
  };
  const put = contents(1, 600);
  for (const [object, content] of put.entries()) {
    if (!writer.hasRoom(content.length)) drain();
    expect(writer.hasRoom(content.length)).toBe(true);
    writer.put(object, content, 0, content.length, object);
  }
  drain();
  expect(digestOf(read)).toBe(digestOf([...put.entries()]));
});

test('A queue has no room while nothing is read', () => {
  const writer = new EntryQueueWriter(createEntryQueue());
  let puts = 0;
  for (; writer.hasRoom(MAX_CONTENT); puts++) {
    writer.put(puts, Buffer.alloc(MAX_CONTENT), 0, MAX_CONTENT, 3);
  }
  expect(puts).toBeGreaterThan(0);
  expect(writer.backlog).toBe(3 * puts);
});

test('A part of a buffer can be put into a queue', () => {
  const memory = createEntryQueue();
  const writer = new EntryQueueWriter(memory);
  writer.put(7, Buffer.from('before content after'), 7, 14, 1);
  writer.pause();
  const read: string[] = [];
  new EntryQueueReader(memory, () => {}).readAll((_, bytes, start, end) => {
    read.push(bytes.toString('latin1', start, end));
  });
  expect(read).toEqual(['content']);
});

test('A queue gives out nothing after it was abandoned', () => {
  const memory = createEntryQueue();
  const writer = new EntryQueueWriter(memory);
  const reader = new EntryQueueReader(memory, () => {});
  for (let object = 0; object < 10; object++) writer.put(object, Buffer.of(1), 0, 1, 1);
  writer.publish();
  const read: number[] = [];
  reader.readAll((object) => {
    read.push(object);
    if (object === 3) writer.abandon();
  });
  reader.readAll((object) => read.push(object));
  expect(read).toEqual([0, 1, 2, 3]);
});

test('Writer and reader of a queue can wait for each other in two threads', async () => {
  const memory = createEntryQueue();
  const writer = new EntryQueueWriter(memory);
  const put = contents(2, 1500);
  let worker: Worker | undefined;
  let waits = 0;
  try {
    for (const [object, content] of put.entries()) {
      while (!writer.hasRoom(MAX_CONTENT)) {
        if (!writer.askForRoom(MAX_CONTENT)) continue;
        waits++;
        // Started late, because an early one might never leave the queue full.
        worker ??= new Worker(new URL('./entry-queue-worker.js', import.meta.url), {
          workerData: memory,
        });
        expect(await once(worker, 'message')).toEqual(['room']);
      }
      writer.put(object, content, 0, content.length, 1);
    }
    if (worker === undefined) throw new Error('all of it fits the queue');
    const answer = once(worker, 'message');
    writer.pause();
    let [message] = await answer;
    if (message === 'room') [message] = await once(worker, 'message');
    expect(message).toBe(digestOf([...put.entries()]));
    expect(waits).toBeGreaterThan(0);
    expect(writer.backlog).toBe(0);
  } finally {
    await worker?.terminate();
  }
});
