import { Agent, get } from 'node:http';
import { quantile } from './measure/spread.js';

/** Milliseconds between two requests. */
const INTERVAL = 5;

/**
 * Asks for a URL every few milliseconds, whether or not the answers before have come: a server that
 * stands still is asked as often as one that does not.
 */
export class Prober {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #milliseconds: number[] = [];
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;

  constructor(url: string) {
    this.#url = url;
  }

  start(): void {
    this.#timer = setInterval(() => this.#probe(), INTERVAL);
    this.#probe();
  }

  /** Resolves when all answers have come; rejects when one did not. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
    this.#agent.destroy();
    if (this.#failure !== undefined) throw this.#failure;
  }

  latencies(): { p50: number; p99: number; max: number } {
    const values = this.#milliseconds;
    return { p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: Math.max(...values) };
  }

  #probe(): void {
    const request = this.#ask().catch((error) => {
      this.#failure ??= error;
    });
    this.#running.add(request);
    void request.finally(() => this.#running.delete(request));
  }

  async #ask(): Promise<void> {
    const started = performance.now();
    await new Promise<void>((resolve, reject) => {
      const request = get(this.#url, { agent: this.#agent }, (response) => {
        response.resume().once('end', resolve).once('error', reject);
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      });
      request.once('error', reject);
    });
    this.#milliseconds.push(performance.now() - started);
  }
}
