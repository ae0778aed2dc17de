import { inspect } from 'node:util';
import { callHost } from '../lib/call-host.js';

const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
beforeEach(() => void warnings.mockClear());
afterAll(() => warnings.mockRestore());

const failing = () => {
  throw new Error('it can not be shown');
};

test.each([
  ['an error', new Error('the disk is full')],
  ['nothing', undefined],
  ['an object without a prototype', Object.create(null)],
  ['a value that can not be shown', { [inspect.custom]: failing }],
])(
  'A function of the host that throws %s causes a warning, and nothing else',
  async (_what, thrown: unknown) => {
    callHost('a listener', () => {
      throw thrown;
    });
    callHost('a listener', () => Promise.reject(thrown));
    while (warnings.mock.calls.length < 2) await new Promise(setImmediate);
    const texts = warnings.mock.calls.map(([message]) => message);
    expect(texts).toEqual(Array(2).fill('a listener of the host app failed'));
  },
);
