/**
 * @one-node-version
 */
import { execute } from '../support/run.js';

const reporter = new URL('./reporter.js', import.meta.url).href;

test('A run that ends before all suites have run fails', async () => {
  const script = `import Reporter from '${reporter}'; new Reporter();`;
  const { code, stdout } = await execute(process.execPath, [
    '--input-type=module',
    '--eval',
    script,
  ]);
  expect(code).toBe(1);
  expect(String(stdout)).toContain('before all suites had run');
});
