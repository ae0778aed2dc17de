declare module 'jest-light-runner' {
  export interface Suite {
    /** The path of the compiled file. */
    readonly path: string;
  }

  export function createRunner(options: {
    runtime: 'child_process' | 'worker_threads';
  }): new (
    ...parameters: unknown[]
  ) => { runTests(suites: Suite[], ...callbacks: unknown[]): Promise<void> };
}
