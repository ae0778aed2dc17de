/*
 * Imported first in each process that runs suites. jest-light-runner (0.8.2) tells a process what to do when
 * that asks, but tells all that were given a suite by then, and each of them once. One that has not asked yet
 * misses it, asks, and waits forever. Here what comes before the question is kept for it.
 */

// The processes that tests fork have nothing to do with it.
process.execArgv.splice(0);

const QUESTION = 'jest-light-runner-get-worker-data';
let told: unknown;

// No listener: Node keeps messages until there is one, which has to be tinypool's.
const emit = process.emit.bind(process);
const keeping = (name: string, ...args: unknown[]): boolean => {
  const [message] = args;
  const isAnswer =
    typeof message === 'object' &&
    message !== null &&
    'type' in message &&
    message.type === 'jest-light-runner-worker-data';
  if (name === 'message' && isAnswer) told ??= message;
  return Reflect.apply(emit, process, [name, ...args]);
};
Object.defineProperty(process, 'emit', { value: keeping });

const send = process.send?.bind(process);
if (send !== undefined) {
  const value = (message: unknown, ...rest: never[]): boolean => {
    if (message !== QUESTION || told === undefined) return send(message, ...rest);
    process.emit('message', told, undefined);
    return true;
  };
  Object.defineProperty(process, 'send', { value });
}
