import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Order, Orders } from './programs/serve-orders.js';

export interface ProgramOptions {
  /** Plain data. */
  argument: object;
  /** Node's own, `--cpu-prof` for instance. */
  nodeOptions?: readonly string[];
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Milliseconds in which a program has to end by itself: only one that hangs does not. */
const CEILING = 60_000;

/** One of the programs in `programs/`, in a process of its own. */
export class Program<O extends Orders> {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #pending = new Map<number, Pending>();
  #orders = 0;

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.#exit = once(child, 'exit');
    child.on('message', (answer: Answer) => this.#settle(answer));
    child.once('exit', (code, signal) => {
      const error = new Error(`${name} ended with ${code ?? signal}`);
      for (const { reject } of this.#pending.values()) reject(error);
    });
  }

  /** Resolves when the program takes orders. */
  static async start<O extends Orders>(
    name: string,
    { argument, nodeOptions = [] }: ProgramOptions,
  ): Promise<Program<O>> {
    const file = fileURLToPath(new URL(programPath(name), import.meta.url));
    const child = fork(file, [JSON.stringify(argument)], {
      execArgv: [...nodeOptions],
      // The output of a program must not get into the report.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    const program = new Program<O>(name, child);
    await Promise.race([
      once(child, 'message'),
      program.#exit.then(() => Promise.reject(new Error(`${name} did not start`))),
    ]);
    return program;
  }

  /** Rejects when the program fails, or ends before it has answered. */
  async order<N extends keyof O & string>(
    name: N,
    ...args: Parameters<O[N]>
  ): Promise<Awaited<ReturnType<O[N]>>> {
    if (!this.#child.connected) throw new Error(`${this.#name} is no more`);
    const id = ++this.#orders;
    const order: Order = { id, name, args };
    return await new Promise((resolve, reject) => {
      // The answer is the result of the program's function of that name.
      this.#pending.set(id, { resolve: (value: never) => resolve(value), reject });
      this.#child.send(order);
    });
  }

  /** Lets the program release what it holds and end; ends it if it does not. Idempotent. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CEILING);
    await this.#exit;
    clearTimeout(timer);
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.error === undefined) pending?.resolve(answer.value);
    else pending?.reject(new Error(`${this.#name}: ${answer.error}`));
  }
}

/** Relative to this file. */
export function programPath(name: string): string {
  return `./programs/${name}.js`;
}
