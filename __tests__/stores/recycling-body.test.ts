import { setImmediate } from 'node:timers/promises';
import { READ_BYTES, RecyclingBody, SpareBuffers } from '../../lib/stores/recycling-body.js';
import { door } from '../support/door.js';

/** Of each buffer that is read into: as many as Node's pool for small buffers has. */
const BUFFER_BYTES = Buffer.poolSize;
/** Of each read. */
const READ = 500;
const CONTENT = Buffer.from(Array.from({ length: 5 * READ }, (_, i) => i % 251));

/** A body of which some reads wait in the stream, and the others come after `release`. */
async function bodyWith({ waiting }: { waiting: number }) {
  const [released, release] = door();
  const targets: Buffer[] = [];
  let position = 0;
  const read = async (buffer: Buffer) => {
    if (targets.push(buffer) > waiting) await released;
    const part = CONTENT.subarray(position, position + READ);
    buffer.set(part);
    position += part.length;
    return part.length;
  };
  const body = new RecyclingBody({ read, close: async () => {} }, BUFFER_BYTES, undefined);
  body.read(0);
  await untilWaiting(body, waiting * READ);
  return { body, targets, release };
}

async function untilWaiting(body: RecyclingBody, bytes: number): Promise<void> {
  while (body.readableLength < bytes) await setImmediate();
}

/** The rest of a body, all of which waits in the stream at once. */
async function restOf(body: RecyclingBody, bytes: number): Promise<Buffer> {
  await untilWaiting(body, bytes);
  return Buffer.concat(await body.toArray());
}

test('What the stream joined of several reads is not read into: others may use its memory', async () => {
  const { body, targets, release } = await bodyWith({ waiting: 2 });
  const joined: Buffer = body.read();
  expect(joined.equals(CONTENT.subarray(0, 2 * READ))).toBe(true);
  // Else the test shows nothing: it lies in Node's pool.
  expect(joined.buffer.byteLength).toBe(BUFFER_BYTES);
  body.recycle(joined);
  release();
  await restOf(body, 3 * READ);
  expect(targets.some(({ buffer }) => buffer === joined.buffer)).toBe(false);
});

test('A part of what was read is not read into, while the rest waits in the stream', async () => {
  const { body, release } = await bodyWith({ waiting: 1 });
  body.recycle(body.read(1));
  release();
  expect((await restOf(body, CONTENT.length - 1)).equals(CONTENT.subarray(1))).toBe(true);
});

test('A chunk that is given back twice is used for one read only', async () => {
  const { body, release } = await bodyWith({ waiting: 1 });
  const chunk: Buffer = body.read();
  body.recycle(chunk);
  body.recycle(chunk);
  release();
  const rest = await restOf(body, CONTENT.length - READ);
  expect(rest.equals(CONTENT.subarray(READ))).toBe(true);
});

test('A chunk that is given back is read into again', async () => {
  const { body, targets, release } = await bodyWith({ waiting: 1 });
  const chunk: Buffer = body.read();
  body.recycle(chunk);
  release();
  await restOf(body, CONTENT.length - READ);
  expect(targets.filter(({ buffer }) => buffer === chunk.buffer)).toHaveLength(2);
});

test('A chunk that its reader has transferred is not read into', async () => {
  const { body, release } = await bodyWith({ waiting: 1 });
  const chunk: Buffer<ArrayBuffer> = body.read();
  structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
  body.recycle(chunk);
  release();
  const rest = await restOf(body, CONTENT.length - READ);
  expect(rest.equals(CONTENT.subarray(READ))).toBe(true);
});

test('Bodies that share spare buffers read into the same memory, one after the other', async () => {
  const spare = new SpareBuffers(READ_BYTES, 1);
  const memory = new Set<ArrayBufferLike>();
  for (const letter of ['a', 'b']) {
    let left = 3;
    const read = async (buffer: Buffer) => (left-- > 0 ? buffer.fill(letter).length : 0);
    const body = new RecyclingBody({ read, close: async () => {} }, 1e6, undefined, spare);
    for await (const chunk of body) {
      expect(new Set(chunk)).toEqual(new Set(Buffer.from(letter)));
      memory.add(chunk.buffer);
      body.recycle(chunk);
    }
  }
  expect(memory.size).toBeLessThanOrEqual(3);
});

test('A body of few bytes takes no large buffer from those that bodies share', async () => {
  const spare = new SpareBuffers(READ_BYTES, 1);
  let left = 1;
  const read = async () => (left-- > 0 ? 10 : 0);
  const body = new RecyclingBody({ read, close: async () => {} }, 10, undefined, spare);
  for await (const chunk of body) expect(chunk.buffer.byteLength).toBe(10);
});
