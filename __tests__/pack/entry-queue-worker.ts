import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { EntryQueueReader } from '../../lib/pack/entry-queue.js';

/** Reads a queue until the first pause; posts `room` for room, and a digest of what it has read. */
const hash = createHash('sha1');
const reader = new EntryQueueReader(workerData, () => parentPort?.postMessage('room'));
reader.readAll((object, bytes, start, end) => {
  hash.update(`${object} ${end - start} `).update(bytes.subarray(start, end));
});
parentPort?.postMessage(hash.digest('hex'));
