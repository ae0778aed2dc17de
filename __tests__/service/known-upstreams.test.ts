import { parseOptions } from '../../lib/config/options.js';
import { KnownUpstreams } from '../../lib/service/known-upstreams.js';

test('The memory for what is known of upstreams is bounded: the least recently used are forgotten', () => {
  const { freshness: policy } = parseOptions({ dataDir: 'unused', hosts: ['git.test'] });
  const mirrors = { find: () => undefined, pauseOf: () => undefined };
  const known = new KnownUpstreams({ policy, mirrors, refusals: { isForgotten: () => false } });
  const repository = (index: number) => ({ host: 'git.test', path: `org/${index}` });
  for (let index = 0; index < 100_000; index++) known.know(repository(index));
  known.know(repository(0));
  known.know(repository(100_000));
  expect([0, 1, 2, 100_000].map((index) => known.isKnown(repository(index)))).toEqual([
    true,
    false,
    true,
    true,
  ]);
});
