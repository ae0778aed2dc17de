import { loadZstdEncoder } from '../archive/zstd.js';
import { ObjectMemory } from '../pack/object-memory.js';
import { ObjectReader } from '../pack/reader.js';
import { serveTasks } from '../workers/serve.js';
import { Checkout, type CheckoutEvent, type CheckoutThreadTask } from './checkout.js';
import { SharedRoom } from './shared-room.js';

const memory = new ObjectMemory(0);

/** The worker thread of `CheckoutThread`. */
serveTasks<CheckoutThreadTask, CheckoutEvent, void>(
  async ({ cell, limit, ...task }, { emit, signal }) => {
    const room = new SharedRoom(limit, cell);
    const encoder = await loadZstdEncoder(task.compressionLevel);
    const reader = new ObjectReader(task.packs, task.limits, memory);
    try {
      const checkout = new Checkout(task, reader, encoder);
      emit({ kind: 'planned' });
      await checkout.write((frame) => {
        room.take(frame.length);
        const { buffer } = frame;
        const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === frame.length;
        emit({ kind: 'frame', frame }, isWhole ? [buffer] : []);
      }, signal);
    } finally {
      reader.close();
    }
  },
);
