import { MessageChannel } from 'node:worker_threads';
import { unlessAborted } from '../../lib/async/abort.js';
import { unlessLate } from '../../lib/async/deadline.js';
import { execute } from '../support/run.js';

test('Waiting for a promise settles as the promise does, or rejects with the reason of an abort', async () => {
  const { signal } = new AbortController();
  expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(unlessAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow(
    'failed',
  );
  const aborted = AbortSignal.abort(new Error('gone'));
  await expect(unlessAborted(Promise.resolve(1), aborted)).rejects.toThrow('gone');
});

test('A promise that fails after an abort does not end the process', async () => {
  const module = new URL('../../lib/async/abort.js', import.meta.url).href;
  const program = `
    import { unlessAborted } from '${module}';
    const late = () => new Promise((_, reject) => setImmediate(() => reject(new Error('late'))));
    await unlessAborted(late(), AbortSignal.abort()).catch(() => {});
    const controller = new AbortController();
    const waiting = unlessAborted(late(), controller.signal).catch(() => {});
    controller.abort();
    await waiting;
    // By then, what failed late has done so, and nobody has taken notice.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    console.log('alive');`;
  const { code, stdout } = await execute(process.execPath, ['--input-type=module', '-e', program]);
  expect([code, stdout]).toEqual([0, 'alive\n']);
});

test('An answer that arrives while the process stands still is in time', async () => {
  const { port1: here, port2: there } = new MessageChannel();
  try {
    const answer = new Promise((resolve) => here.once('message', resolve));
    const answered = unlessLate(answer, 1, () => new Error('late'));
    there.postMessage('answer');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    expect(await answered).toBe('answer');
  } finally {
    here.close();
  }
});
