declare module 'jest-light-runner' {
  export interface Suite {
    /** The path of the compiled file. */
    readonly path: string;
  }

  export type RunnerParameters = [config: { readonly maxWorkers: number }, ...others: unknown[]];
  export type OnStart = (suite: Suite) => Promise<void>;
  export type OnResult = (suite: Suite, result: unknown) => Promise<void>;
  export type OnFailure = (suite: Suite, error: unknown) => Promise<void>;

  export function createRunner(options: { runtime: 'child_process' | 'worker_threads' }): new (
    ...parameters: RunnerParameters
  ) => {
    runTests(
      suites: readonly Suite[],
      watcher: unknown,
      onStart: OnStart,
      onResult: OnResult,
      onFailure: OnFailure,
    ): Promise<void>;
  };
}
