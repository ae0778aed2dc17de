/** The artifact that a client requests. */
export interface RequestedArtifact {
  /** `git`: a request of git itself, which the router redirects (the option `redirectGit`). */
  readonly artifact: 'snapshot' | 'bundle' | 'ensure-refs' | 'git';
  /** Of a snapshot: a branch, tag or commit. `undefined`: HEAD. */
  readonly ref?: string | undefined;
  /** Of a snapshot: the number of commits of history. `undefined`: all. */
  readonly depth?: number | undefined;
  /** Of a bundle: the commit that the client has. `undefined`: none. */
  readonly base?: string | undefined;
}
