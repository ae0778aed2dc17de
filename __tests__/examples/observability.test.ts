import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { METRICS } from '../../lib/opentelemetry/metrics.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { startExample } from './example-server.js';

const { directory, defer } = cleanup(afterEach);

/** The answer that Prometheus gets: values by name and labels. */
class Scrape {
  readonly #lines: readonly string[];

  constructor(text: string) {
    this.#lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  }

  get names(): Set<string> {
    return new Set(this.#lines.map((line) => /^\w+/.exec(line)?.[0] ?? line));
  }

  get labels(): Set<string> {
    return new Set(
      this.#lines.flatMap((line) => Array.from(line.matchAll(/(\w+)="/g), ([, name = '']) => name)),
    );
  }

  /** The sum of all values of a name that have these labels. */
  sum(name: string, ...labels: string[]): number {
    return this.#lines
      .filter((line) => new RegExp(`^${name}[ {]`).test(line))
      .filter((line) => labels.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }
}

/** The names that the exporter makes of the metrics of locks, which the example has only with Redis. */
const LOCK_NAMES = Object.entries(METRICS)
  .filter(([name]) => name.startsWith('git_snapshot.lock.'))
  .flatMap(([name, { kind }]) => {
    const endings = kind === 'histogram' ? ['_bucket', '_count', '_sum'] : ['_total'];
    return endings.map((ending) => name.replaceAll('.', '_') + ending);
  });

/** All names of metrics and labels in the expressions of a dashboard or of alert rules. */
function namesIn(expressions: readonly string[]): string[] {
  const names = expressions.flatMap((text) =>
    Array.from(text.replace(/"[^"]*"/g, '').matchAll(/\bgit_snapshot_\w+/g), ([name]) => name),
  );
  return [...new Set(names)];
}

async function dashboardExpressions(): Promise<string[]> {
  const file = join('examples', 'observability', 'dashboard.json');
  const dashboard: { panels: { targets?: { expr: string }[] }[] } = JSON.parse(
    await readFile(file, 'utf8'),
  );
  return dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

test('The dashboard and the alerts of the example use only metrics that its app has', async () => {
  const root = await directory();
  await buildSmall(join(root, 'org', 'repo'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const server = await startExample('observability', {
    DATA_DIR: await directory(),
    GITHUB_BASE_URL: upstream.url,
  });
  defer(() => server.stop());
  const snapshot = (path: string) => `${server.url}/git/github.com/${path}/snapshot.tar.zst`;
  const sizes: number[] = [];
  for (const path of ['org/repo', 'org/repo', 'org/repo', 'org/none']) {
    const response = await fetch(snapshot(path));
    const { byteLength } = await response.arrayBuffer();
    if (response.ok) sizes.push(byteLength);
  }
  const scrape = new Scrape(await (await fetch(`${server.url}/metrics`)).text());

  const alerts = await readFile(join('examples', 'observability', 'alerts.yml'), 'utf8');
  const dashboard = await dashboardExpressions();
  const known = new Set([...scrape.names, ...scrape.labels, ...LOCK_NAMES]);
  const used = { dashboard: namesIn(dashboard), alerts: namesIn([alerts]) };
  expect(used.dashboard.length).toBeGreaterThan(30);
  expect(used.alerts.length).toBeGreaterThan(10);
  expect(used.dashboard.filter((name) => !known.has(name))).toEqual([]);
  expect(used.alerts.filter((name) => !known.has(name))).toEqual([]);

  const [size = 0] = sizes;
  const outcome = (name: string) => `git_snapshot_outcome="${name}"`;
  expect(scrape.sum('git_snapshot_request_duration_count', outcome('miss'))).toBe(1);
  expect(scrape.sum('git_snapshot_request_duration_count', outcome('hit'))).toBe(2);
  expect(scrape.sum('git_snapshot_request_duration_count', outcome('failed'))).toBe(1);
  expect(scrape.sum('git_snapshot_response_io_total')).toBe(3 * size);
  expect(scrape.sum('git_snapshot_store_size')).toBe(size);
  expect(scrape.sum('git_snapshot_mirror_count')).toBe(1);
  expect(scrape.sum('git_snapshot_upstream_request_duration_count', 'error_type="404"')).toBe(1);
  expect(scrape.sum('git_snapshot_served_age_count')).toBe(2);
  const seconds = scrape.sum('git_snapshot_job_duration_sum', 'git_snapshot_job="clone"');
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(600);
  expect(await server.stop()).toBe(0);
});
