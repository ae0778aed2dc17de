/**
 * The life of a mirror: `empty → cloning → ready`, back to `empty` when a clone fails, and when a mirror
 * is evicted or turns out to be broken.
 *
 * Pure, so that the table below is all there is to know about it.
 */
export type MirrorState = 'empty' | 'cloning' | 'ready';
export type MirrorEvent = 'claim' | 'complete' | 'fail' | 'lose';

const TRANSITIONS: Record<MirrorState, Partial<Record<MirrorEvent, MirrorState>>> = {
  empty: { claim: 'cloning' },
  cloning: { complete: 'ready', fail: 'empty' },
  ready: { lose: 'empty' },
};

/** The next state; `undefined` when the event is not possible in this one. */
export function transition(state: MirrorState, event: MirrorEvent): MirrorState | undefined {
  return TRANSITIONS[state][event];
}
