/** Something on this machine's disk that can be made or fetched again. */
export interface Evictable {
  /** Bytes. */
  readonly bytes: number;
  /** When it was last used: milliseconds since the epoch. */
  readonly usedAt: number;
  /** Does nothing if it is in use by now, or gone. */
  evict(): Promise<void>;
}
