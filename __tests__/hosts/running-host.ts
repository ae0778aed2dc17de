import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import { type StartedProgram, startProgram } from '../support/program-start.js';
import { cleanEnvironment } from '../support/run.js';
import type { Host } from './host.js';

/** Where a host runs. */
export interface Place {
  readonly project: string;
  readonly dataDir: string;
  readonly upstreamUrl: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** A host that was started. */
export class RunningHost {
  readonly #program: StartedProgram;
  readonly #port = withResolvers<number>();
  #pid: number | undefined;
  readonly #lines: string[] = [];
  /** The exit code, with all that the host wrote. */
  readonly ended: Promise<Ended>;

  constructor({ start, flags = [], env = {} }: Host, place: Place) {
    const { project, dataDir, upstreamUrl } = place;
    const [program, ...args] = start;
    const filled = flags.map((flag) => flag.replace('DATA', dataDir).replace('PROJECT', project));
    // The shell tells its process id, and becomes the program.
    const script = 'echo "pid $$"; exec "$@"';
    this.#program = startProgram({
      command: 'sh',
      args: ['-c', script, 'sh', program, ...filled, ...args],
      cwd: project,
      env: {
        ...cleanEnvironment(),
        ...place.env,
        ...env,
        DATA_DIR: dataDir,
        UPSTREAM: upstreamUrl,
        // For the examples.
        GITHUB_BASE_URL: upstreamUrl,
        PORT: '0',
      },
    });
    const { stdout, stderr, closed, stdin } = this.#program;
    stdin.end();
    createInterface({ input: stdout }).on('line', (line) => {
      this.#lines.push(line);
      const [, port] = /listening (?:on http:\S+:)?(\d+)$/.exec(line) ?? [];
      if (port !== undefined) this.#port.resolve(Number(port));
      const [, pid] = /^pid (\d+)$/.exec(line) ?? [];
      if (pid !== undefined) this.#pid = Number(pid);
    });
    this.ended = Promise.all([closed, text(stderr)]).then(([code, errors]) => {
      const output = [...this.#lines, errors].join('\n');
      this.#port.reject(new Error(`the host ended with ${code}: ${output}`));
      return { code, output };
    });
    this.#port.promise.catch(() => {});
  }

  /** The port, when the host serves. Rejects with what it wrote if it ends before. */
  get port(): Promise<number> {
    return this.#port.promise;
  }

  /** Asks the host to end, as a supervisor does. */
  stop(): void {
    if (this.#pid !== undefined) process.kill(this.#pid, 'SIGTERM');
  }

  /** Ends it with all that it started. */
  kill(): void {
    this.#program.kill();
  }
}
