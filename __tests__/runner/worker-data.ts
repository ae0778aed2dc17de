/*
 * Imported first in each process that runs suites: works around a race in jest-light-runner 0.8.2. A process asks
 * for its worker data. The runner then answers all processes that have a suite by now, and each process only once.
 * A process that has not asked yet would miss the answer, ask, and wait for ever. So an early answer is kept here
 * until the process asks.
 */

// Not for the processes that tests fork.
process.execArgv.splice(0);

const QUESTION = 'jest-light-runner-get-worker-data';
let told: unknown;

// Not by a listener: Node keeps messages until the first listener is there, which has to be tinypool's.
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
