/**
 * @one-node-version
 */
import { HOSTS, type Kind } from '../hosts/hosts.js';
import { codeSpans, readPage, readTable } from './markdown.js';

const PAGE = 'docs/hosts.md';

const HEADINGS: Record<Kind, string> = {
  frameworks: 'Frameworks',
  typescript: 'TypeScript',
  'package-managers': 'Package managers',
  bundlers: 'Bundlers',
  'node-flags': 'Options of node',
  processes: 'Processes',
  proxies: 'Proxies',
  runtimes: 'Other runtimes',
  'test-runners': 'Test runners',
};

test.each(Object.entries(HEADINGS) as [Kind, string][])(
  'The table of %s under "%s" says of each host that is tested whether it works',
  async (kind, heading) => {
    const { rows } = await readTable(PAGE, heading);
    const documented = rows.map(([name = '', works = '']) => [name, works]);
    const tested = HOSTS[kind].map(({ name, outcome }) => [
      name,
      typeof outcome === 'object' ? 'no' : 'yes',
    ]);
    expect(documented).toEqual(tested);
  },
);

test('The page names the messages of the log', async () => {
  const { rows } = await readTable(PAGE, 'Loggers');
  const messages = rows.flatMap(([, , cell = '']) => codeSpans(cell));
  const sources = await Promise.all(
    [
      'lib/events/log-failures.ts',
      'lib/http/answer-request.ts',
      'lib/service/service.ts',
      'lib/status-page/answer-request.ts',
    ].map(readPage),
  );
  expect(messages.length).toBeGreaterThan(6);
  for (const message of messages) expect(sources.join('\n')).toContain(`'${message}'`);
});
