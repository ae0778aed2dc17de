import { type MirrorEvent, type MirrorState, transition } from '../../lib/mirror/state.js';

const STATES: MirrorState[] = ['empty', 'cloning', 'ready'];
const EVENTS: MirrorEvent[] = ['claim', 'complete', 'fail'];

/** All that is possible. */
const POSSIBLE = new Map<string, MirrorState>([
  ['empty claim', 'cloning'],
  ['cloning complete', 'ready'],
  ['cloning fail', 'empty'],
]);

const pairs = STATES.flatMap((state) => EVENTS.map((event) => [state, event] as const));

test.each(pairs)('%s, %s', (state, event) => {
  expect(transition(state, event)).toBe(POSSIBLE.get(`${state} ${event}`));
});
