/**
 * @needs promtool
 * @one-node-version
 */
import { join } from 'node:path';
import { run } from '../support/run.js';

test('Prometheus accepts the alert rules of the example', async () => {
  const rules = join('examples', 'observability', 'alerts.yml');
  const checked = await run('promtool', ['check', 'rules', rules]);
  expect(checked).toMatch(/SUCCESS: \d+ rules found/);
});
