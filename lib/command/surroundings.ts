import { constants } from 'node:os';

/** The parts of its process that the command uses. */
export interface Surroundings {
  /** Gets results. */
  readonly stdout: NodeJS.WritableStream;
  /** Gets failures, warnings and progress. */
  readonly stderr: NodeJS.WritableStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts when the user or the system asks the command to end. Its reason is an `Interrupted`. */
  readonly stop: AbortSignal;
  /** Aborts when this is asked for once more: the command ends without waiting for its work. */
  readonly hurry: AbortSignal;
}

/** The signals that ask the command to end. */
export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A signal has asked the command to end. */
export class Interrupted extends Error {
  /** As shells report it: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(signal: (typeof ENDING_SIGNALS)[number]) {
    super('interrupted');
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** An environment variable. One that is empty counts as missing. */
export function variable({ environment }: Surroundings, name: string): string | undefined {
  return environment[name] || undefined;
}
