/** The threads of a pool: `busy` ones have a task. */
export interface ThreadCounts {
  readonly busy: number;
  readonly idle: number;
}
