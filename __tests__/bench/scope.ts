import { type Cleanup, cleanup } from '../support/temporary-directory.js';

/** Owns directories and processes until it is released, whatever happened meanwhile. */
export interface Scope extends Cleanup {
  release(): Promise<void>;
}

export function openScope(): Scope {
  let release = async () => {};
  const { directory, defer } = cleanup((releaseAll) => {
    release = releaseAll;
  });
  return { directory, defer, release: () => release() };
}
