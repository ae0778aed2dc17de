import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addEventHandler } from 'jest-circus';
import { openFiles } from '../support/process-resources.js';

/*
 * Run in each process that runs suites, before its first suite.
 */

/** Milliseconds that only a hang exceeds: no test takes a tenth of it on a slow, busy machine. */
const CEILING = 15 * 60_000;

/** The real timers, also while a test fakes them. */
const { setTimeout, clearTimeout, setImmediate } = globalThis;

/** Fails a test or hook that hangs, so that the run goes on and names it. */
function withCeiling(fn: () => unknown, what: string): () => Promise<void> {
  return async () => {
    let timer: NodeJS.Timeout | undefined;
    const hangs = new Promise<never>((_, reject) => {
      const fail = () => reject(new Error(`${what} hangs: it has not ended for ${CEILING} ms`));
      timer = setTimeout(fail, CEILING).unref();
    });
    try {
      await Promise.race([fn(), hangs]);
    } finally {
      clearTimeout(timer);
    }
  };
}

/**
 * The names of all handles that keep this process alive, such as `TCPServerWrap` and `Timeout`. On Linux also the
 * temporary files that are open in any of its threads, removed files included.
 */
async function openHandles(): Promise<string[]> {
  const handles = process.getActiveResourcesInfo().filter((name) => !/^(Pipe|TTY|FS)/.test(name));
  const files = await openFiles(process.env.TMPDIR ?? '/nonexistent').catch(() => []);
  return [...handles, ...files];
}

/** Warnings of Node about files that were garbage-collected before they were closed. They name no file. */
const forgotten: string[] = [];
process.on('warning', ({ message }) => {
  if (message.startsWith('Closing file descriptor')) forgotten.push(message);
});

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Waits after a suite until all of its handles are closed, and fails when one stays open. */
async function expectNoOpenHandle(): Promise<void> {
  // Finds files that nobody closed, and keeps the process small: V8 would let garbage pile up.
  collectGarbage();
  // Node warns one turn of the event loop later.
  for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
  const until = performance.now() + CEILING / 30;
  for (;;) {
    const open = await openHandles();
    if (forgotten.length > 0) throw new Error(forgotten.splice(0).join(', '));
    if (open.length === 0) return;
    if (performance.now() > until) throw new Error(`left open: ${open.join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

addEventHandler(({ name }, state) => {
  const { currentDescribeBlock: block, rootDescribeBlock: root } = state;
  if (name === 'add_test') {
    const test = block.children.at(-1);
    if (test?.type === 'test') test.fn = withCeiling(test.fn as () => unknown, test.name);
  } else if (name === 'add_hook') {
    const hook = block.hooks.at(-1);
    if (hook) hook.fn = withCeiling(hook.fn as () => unknown, `${hook.type} of ${block.name}`);
  }
  // Keeps our hook the last one, whenever others are added.
  if (name !== 'add_test' && name !== 'add_hook') return;
  const others = root.hooks.filter(({ fn }) => fn !== expectNoOpenHandle);
  const last = { ...others.at(-1), type: 'afterAll', fn: expectNoOpenHandle, parent: root };
  root.hooks.splice(0, root.hooks.length, ...others, last as (typeof others)[number]);
});
