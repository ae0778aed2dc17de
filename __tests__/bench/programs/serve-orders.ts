import { inspect } from 'node:util';

/** The functions of a program, by the names of orders. Arguments and results are plain data. */
export type Orders = Record<string, (...args: never[]) => unknown>;

export interface Order {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

export interface Answer {
  /** That of the order; 0 says that the program takes orders. */
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** What `Program.start` gave, for the type that the program itself says. */
export function programArgument<T>(): T {
  return JSON.parse(process.argv[2] ?? '');
}

/**
 * Takes orders from the process that started this one, until that process ends the connection, or
 * itself.
 *
 * @param close releases what keeps this process alive.
 */
export function serveOrders(orders: Orders, close: () => unknown = () => {}): void {
  // Ctrl-C goes to all processes of the terminal; the first one tells the others what to do.
  process.on('SIGINT', () => {});
  process.on('message', (order: Order) => void answer(orders, order));
  process.once('disconnect', () => void close());
  send({ id: 0 });
}

async function answer(orders: Orders, { id, name, args }: Order): Promise<void> {
  try {
    const order = orders[name];
    if (order === undefined) throw new Error(`there is no order ${name}`);
    send({ id, value: await Reflect.apply(order, undefined, args) });
  } catch (error) {
    send({ id, error: inspect(error) });
  }
}

function send(message: Answer): void {
  if (process.connected) process.send?.(message);
}
