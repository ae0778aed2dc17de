import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addEventHandler } from 'jest-circus';
import { openFiles } from '../support/process-resources.js';

/*
 * Run in each process that runs suites, before the first of them.
 */

/** Milliseconds that nothing but a hang meets: no test takes a tenth of it on a slow, busy machine. */
const CEILING = 15 * 60_000;

/** The true ones, also where a test fakes them. */
const { setTimeout, clearTimeout, setImmediate } = globalThis;

/** Fails what hangs, so that the run ends and says which test it was. */
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
 * What keeps this process alive, such as `TCPServerWrap` and `Timeout`: one name for each. And, on Linux,
 * the temporary files that are open in any of its threads, also when they are removed by now.
 */
async function openHandles(): Promise<string[]> {
  const handles = process.getActiveResourcesInfo().filter((name) => !/^(Pipe|TTY|FS)/.test(name));
  const files = await openFiles(process.env.TMPDIR ?? '/nonexistent').catch(() => []);
  return [...handles, ...files];
}

/** Files that nobody closed before they were garbage. Which ones Node does not say. */
const forgotten: string[] = [];
process.on('warning', ({ message }) => {
  if (message.startsWith('Closing file descriptor')) forgotten.push(message);
});

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** After a suite, whatever it opened is closed; what it closed last may take a moment. */
async function expectNoOpenHandle(): Promise<void> {
  // Finds what is forgotten, and keeps the process small: V8 would let garbage pile up.
  collectGarbage();
  // Node warns of it one turn of the event loop later.
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
  // The last of all hooks, whenever they are added.
  if (name !== 'add_test' && name !== 'add_hook') return;
  const others = root.hooks.filter(({ fn }) => fn !== expectNoOpenHandle);
  const last = { ...others.at(-1), type: 'afterAll', fn: expectNoOpenHandle, parent: root };
  root.hooks.splice(0, root.hooks.length, ...others, last as (typeof others)[number]);
});
