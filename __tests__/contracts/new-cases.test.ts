import { type ContractCases, registerCases } from '../../lib/testing/contract.js';
import { cleanup } from '../support/temporary-directory.js';
import { collectTests, passing } from './collected-tests.js';

const { defer } = cleanup(afterEach);

const fail = async () => {
  throw new Error('it does not');
};

test('A new case of a contract warns instead of failing', async () => {
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  defer(() => emitWarning.mockRestore());
  let cleaned = 0;
  const cases: ContractCases<string> = {
    'an old case': fail,
    'a new case that fails': { since: '1.2.0', warns: fail },
    'a new case that passes': { since: '1.2.0', warns: async () => {} },
  };
  const tests = collectTests((register) => {
    registerCases(
      register,
      cases,
      () => 'subject',
      async () => void cleaned++,
    );
  });
  expect(await passing(tests)).toEqual(['a new case that fails', 'a new case that passes']);
  expect(cleaned).toBe(3);
  expect(emitWarning).toHaveBeenCalledTimes(1);
  const message = expect.stringContaining('since 1.2.0: a new case that fails');
  const detail = expect.stringContaining('it does not');
  expect(emitWarning).toHaveBeenCalledWith(message, { type: 'ContractWarning', detail });
});
