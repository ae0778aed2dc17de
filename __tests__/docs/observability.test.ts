/**
 * @one-node-version
 */
import { METRICS } from '../../lib/opentelemetry/metrics.js';
import { codeSpans, readTable } from './markdown.js';

const PAGE = 'docs/observability.md';

test('The page on observability lists every metric with its unit, attributes and meaning', async () => {
  const { rows } = await readTable(PAGE, 'Metrics');
  const documented = rows.map(([name = '', kind, unit = '', attributes = '', meaning]) => [
    codeSpans(name)[0],
    { kind, unit: codeSpans(unit)[0], attributes: codeSpans(attributes), description: meaning },
  ]);
  const actual = Object.entries(METRICS).map(([name, metric]) => {
    const { kind, unit, attributes, description } = metric;
    return [name, { kind, unit, attributes, description }];
  });
  expect(documented).toEqual(actual);
});

test('The page on observability explains every attribute of a metric', async () => {
  const { rows } = await readTable(PAGE, 'Attributes');
  const documented = rows.flatMap(([names = '']) => codeSpans(names));
  const actual = Object.values(METRICS).flatMap(({ attributes }) => attributes);
  expect(documented.sort()).toEqual([...new Set<string>(actual)].sort());
});
