/** A program and its arguments. `node` is the Node of the test, or of the host. */
export type Command = readonly [program: string, ...args: string[]];

/** A kind of program in which the router runs. */
export interface Host {
  /** As in `docs/hosts.md`. */
  readonly name: string;
  /** A project that is installed for the host: hosts with the same packages share it. */
  readonly packages: readonly string[];
  /** Default: npm. */
  readonly manager?: 'npm' | 'pnpm' | 'yarn-pnp';
  /** Runs in the project before the host. */
  readonly build?: readonly Command[];
  readonly start: Command;
  /** Flags of node before the arguments; `DATA` in them is the data directory. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly scheme?: 'https' | 'http2';
  /** The host of the repositories in the app's `hosts`. Default: `git.example`. */
  readonly gitHost?: 'github.com';
  /** Runs on Node 24 only. */
  readonly needsNode24?: boolean;
  /** Default: it serves. `runs`: it is a test runner, which ends by itself. */
  readonly outcome?: 'runs' | { readonly fails: RegExp };
  /** The supervisor, not the host, gets the signal and ends with another code than 0. */
  readonly exitCode?: number | null;
}
