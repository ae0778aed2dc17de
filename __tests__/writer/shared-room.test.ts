import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { SharedRoom } from '../../lib/writer/shared-room.js';
import { cleanup } from '../support/temporary-directory.js';

const { defer } = cleanup(afterEach);

/** Another thread that gives back 10 bytes when it is told to, and says so in the second number. */
const GIVES_BACK = `
const { parentPort, workerData } = require('node:worker_threads');
const said = new Int32Array(workerData.said);
const cell = new Int32Array(workerData.cell);
parentPort.on('message', () => {
  Atomics.store(said, 0, 1);
  Atomics.sub(cell, 0, 10);
  Atomics.notify(cell, 0);
});
parentPort.postMessage('ready');
`;

test('A thread waits until the other one has given back enough bytes', async () => {
  const room = new SharedRoom(10);
  const said = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { cell: room.cell, said: said.buffer };
  const other = new Worker(GIVES_BACK, { eval: true, workerData });
  defer(() => other.terminate());
  await once(other, 'message');
  room.take(4);
  room.take(6);
  expect(Atomics.load(said, 0)).toBe(0);
  other.postMessage('give');
  room.take(1);
  expect(Atomics.load(said, 0)).toBe(1);
});

test('An entry that is larger than the limit has room, but only alone', () => {
  const room = new SharedRoom(10);
  const other = new SharedRoom(10, room.cell);
  room.take(1000);
  other.give(1000);
  room.take(10);
  expect(new Int32Array(room.cell)[0]).toBe(10);
});

test('Any entry has room after the room was abandoned', () => {
  const room = new SharedRoom(10);
  const other = new SharedRoom(10, room.cell);
  room.take(10);
  other.abandon();
  for (let i = 0; i < 3; i++) room.take(1000);
  other.give(10);
  room.take(1000);
});
