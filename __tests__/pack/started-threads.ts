import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** How many threads are started while something is done. */
export async function startedThreads(work: () => Promise<unknown>): Promise<number> {
  let started = 0;
  const count = () => {
    started++;
  };
  subscribe('worker_threads', count);
  try {
    await work();
  } finally {
    unsubscribe('worker_threads', count);
  }
  return started;
}
