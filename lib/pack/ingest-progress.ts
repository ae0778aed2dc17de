/** How much of a pack has arrived. */
export interface IngestProgress {
  readonly phase: 'receiving' | 'resolving';
  readonly receivedBytes: number;
  readonly receivedObjects: number;
  /** Declared by the pack's header; `undefined` until the header has arrived. */
  readonly totalObjects: number | undefined;
}
