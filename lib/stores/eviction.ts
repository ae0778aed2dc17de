/** What counts when there has to be room for another object. */
export interface Occupant {
  /** With key and metadata. */
  readonly bytes: number;
  readonly expendable: boolean;
}

/**
 * The objects that may go to make room for a newcomer, in the order in which they are given;
 * `undefined` when all of them are not enough, so that nothing goes in vain.
 *
 * @param stored the one that was not used for longest comes first.
 * @param excess bytes that have to go.
 */
export function evictable<Stored extends Occupant>(
  stored: readonly Stored[],
  excess: number,
  newcomer: { readonly expendable: boolean },
): Stored[] | undefined {
  const lower = stored.filter(({ expendable }) => expendable || !newcomer.expendable);
  return totalBytes(lower) < excess ? undefined : lower;
}

export function totalBytes(stored: readonly Occupant[]): number {
  return stored.reduce((total, { bytes }) => total + bytes, 0);
}
