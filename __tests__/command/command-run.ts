import { once } from 'node:events';
import { Writable } from 'node:stream';
import { run } from '../../lib/command/run.js';
import { Interrupted } from '../../lib/command/surroundings.js';

/** A stream that keeps its text. */
export class Output extends Writable {
  text = '';
  readonly isTTY: boolean;

  constructor(isTTY = false) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  /** Resolves when the text matches. */
  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) await once(this, 'text');
  }

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    this.emit('text');
    done();
  }
}

/** The command `express-git-snapshot`, running in this process. */
export interface CommandRun {
  readonly exitCode: Promise<number>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** As Ctrl-C does. */
  interrupt(): void;
}

export interface CommandRunOptions {
  readonly environment?: Record<string, string>;
  readonly isTerminal?: boolean;
}

export function startCommand(
  args: readonly string[],
  { environment = {}, isTerminal = false }: CommandRunOptions = {},
): CommandRun {
  const [stop, hurry] = [new AbortController(), new AbortController()];
  const [stdout, stderr] = [new Output(isTerminal), new Output(isTerminal)];
  const exitCode = run(args, {
    stdout,
    stderr,
    environment,
    stop: stop.signal,
    hurry: hurry.signal,
  });
  const interrupt = () => {
    const controller = stop.signal.aborted ? hurry : stop;
    controller.abort(new Interrupted('SIGINT'));
  };
  return { exitCode, stdout, stderr, interrupt };
}

/** Runs the command to its end. */
export async function runCommand(args: readonly string[], options?: CommandRunOptions) {
  const { exitCode, stdout, stderr } = startCommand(args, options);
  return { exitCode: await exitCode, stdout: stdout.text, stderr: stderr.text };
}
