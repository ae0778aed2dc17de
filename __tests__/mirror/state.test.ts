import { type MirrorEvent, type MirrorState, transition } from '../../lib/mirror/state.js';

const STATES: MirrorState[] = ['empty', 'cloning', 'ready'];
const EVENTS: MirrorEvent[] = ['claim', 'complete', 'fail'];

/** The possible transitions. All others are refused. */
const POSSIBLE = new Map<string, MirrorState>([
  ['empty claim', 'cloning'],
  ['cloning complete', 'ready'],
  ['cloning fail', 'empty'],
]);

const cases = STATES.flatMap((state) =>
  EVENTS.map((event) => [state, event, POSSIBLE.get(`${state} ${event}`)] as const),
);

test.each(cases)('A mirror that is %s becomes at the event "%s": %s', (state, event, next) => {
  expect(transition(state, event)).toBe(next);
});
