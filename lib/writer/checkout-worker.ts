import { loadZstdEncoder } from '../archive/zstd.js';
import { ObjectMemory } from '../pack/object-memory.js';
import { withReader } from '../pack/reader.js';
import { serveTasks } from '../workers/serve.js';
import {
  type CheckoutEvent,
  type CheckoutThreadTask,
  createCheckout,
  WAITING_BYTES,
} from './checkout.js';
import { SharedRoom } from './shared-room.js';

const memory = new ObjectMemory(0);

/** The worker thread of `checkoutInThread`. */
serveTasks<CheckoutThreadTask, CheckoutEvent, void>(async ({ cell, ...task }, { emit, signal }) => {
  const room = new SharedRoom(WAITING_BYTES, cell);
  const encoder = await loadZstdEncoder(task.compressionLevel);
  await withReader(task.packs, { limits: task.limits, memory }, async (reader) => {
    const checkout = createCheckout(task, reader, encoder);
    emit({ kind: 'planned' });
    await checkout.write((frame) => {
      room.take(frame.length);
      const { buffer } = frame;
      const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === frame.length;
      emit({ kind: 'frame', frame }, isWhole ? [buffer] : []);
    }, signal);
  });
});
