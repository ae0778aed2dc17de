import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cleanup } from '../support/temporary-directory.js';
import { CASE_NAMES } from './cases/names.js';
import { nginxVersion } from './native/nginx.js';
import type { Report } from './report/report.js';

const { directory, defer } = cleanup(afterEach);
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
/** A few runs of everything, on a machine that does something else besides. */
const PATIENCE = 300_000;

let temporary: string;

beforeEach(async () => {
  temporary = await directory();
});

/** Starts the program with a directory for temporary files of its own. */
function startBench(...args: string[]) {
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [MAIN, ...args], { env });
  defer(() => child.kill('SIGKILL'));
  return { child, ended: once(child, 'close'), stdout: text(child.stdout) };
}

describe('of a tiny history', () => {
  let report: Report;

  test(
    'every case runs, and only the report is on standard output',
    async () => {
      const cases = CASE_NAMES.flatMap((name) => ['--case', name]);
      const sizes = ['--objects', '1500', '--sizes', '500,1500', '--megabytes', '4'];
      const { child, ended, stdout } = startBench('--json', '--pairs', '1', ...cases, ...sizes);
      const log = text(child.stderr);
      const [code] = await ended;
      if (code !== 0) throw new Error(await log);
      report = JSON.parse(await stdout);
      expect(await readdir(temporary)).toEqual([]);
    },
    PATIENCE,
  );

  const timed = { seconds: 'number', cpuSeconds: 'number' };
  const transfer = {
    megabytesPerSecond: 'number',
    cpuSecondsPerGigabyte: 'number',
    clientLoad: 'number',
  };
  const delays = {
    loopDelayP50Milliseconds: 'number',
    loopDelayP99Milliseconds: 'number',
    loopDelayMaxMilliseconds: 'number',
    routeP50Milliseconds: 'number',
    routeP99Milliseconds: 'number',
    routeMaxMilliseconds: 'number',
  };
  test.each([
    ['index', 2, 'git index-pack', { ours: timed, 'git index-pack': timed }],
    ['cold', 1, 'native', { ours: timed, native: timed }],
    ['generate', 1, 'native', { ours: timed, native: timed }],
    ['refresh', 3, 'native', { ours: timed, native: timed }],
    [
      'bootstrap',
      1,
      'clone',
      {
        ours: { ...timed, upstreamMegabytes: 'number' },
        clone: { ...timed, upstreamMegabytes: 'number' },
      },
    ],
    ['s3', 1, 'GetObject', { ours: timed, 'ours, redirected': timed, GetObject: timed }],
    ['hit', 2, 'express.static', { ours: transfer, 'express.static': transfer }],
    [
      'restore',
      1,
      'git clone',
      {
        'curl | zstd | tar': timed,
        'our client': timed,
        'our client, without the start of node': timed,
        'git clone': timed,
      },
    ],
    ['host', 1, undefined, { 'cold clone and generation': delays, idle: delays }],
    [
      'memory',
      1,
      undefined,
      { ours: { startRssMegabytes: 'number', peakRssMegabytes: 'number', seconds: 'number' } },
    ],
    ['scale, index', 2, 'git index-pack', { ours: timed, 'git index-pack': timed }],
    ['scale, cold', 2, 'native', { ours: timed, native: timed }],
  ])('%s has all its figures', async (title, count, reference, sides) => {
    const [name, variant] = title.split(', ');
    const nginx = name === 'hit' && (await nginxVersion()) !== undefined;
    const expected = nginx ? { ...sides, nginx: transfer } : sides;
    const results = report.results.filter(
      (result) => result.case === name && (result.variant ?? '').startsWith(variant ?? ''),
    );
    expect(results).toHaveLength(count);
    for (const result of results) {
      expect(result).toMatchObject({ rounds: 1, repository: { packBytes: expect.any(Number) } });
      expect(result.reference).toBe(reference);
      const figures = result.sides.map((side) => [side.name, typesOf(side.metrics)]);
      expect(Object.fromEntries(figures)).toEqual(expected);
      for (const side of result.sides) {
        const compared = side.name !== reference && reference !== undefined;
        expect(Object.keys(side.ratios)).toEqual(compared ? Object.keys(side.metrics) : []);
      }
    }
  });

  test('the exponents are there', () => {
    expect(report.fits.map(({ of, side }) => `${of}: ${side}`)).toEqual([
      'index, threads: 2: ours',
      'index, threads: 2: git index-pack',
      'cold: ours',
      'cold: native',
    ]);
    for (const { exponentOverObjects, exponentOverBytes } of report.fits) {
      expect([exponentOverObjects, exponentOverBytes].every(Number.isFinite)).toBe(true);
    }
  });
});

/** `number` for each metric whose one run gave one, from 0 up. */
function typesOf(metrics: Report['results'][number]['sides'][number]['metrics']) {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, { median, min, max, runs }]) => {
      const sound = Number.isFinite(median) && median >= 0 && min === median && max === median;
      return [name, sound && runs.length === 1 ? 'number' : `${median} of ${runs}`];
    }),
  );
}

test(
  'Ctrl-C ends it, and leaves nothing behind',
  async () => {
    const { child, ended, stdout } = startBench('--case', 'cold', '--objects', '500');
    let log = '';
    for await (const chunk of child.stderr) {
      log += chunk;
      // As often as there is something to read, as users do who are in a hurry.
      const running = log.includes('cold, synthetic-500-1: ours warm-up');
      if (running && !log.includes('stopped')) child.kill('SIGINT');
    }
    const [code] = await ended;
    expect(log).toMatch(/Error: stopped by SIGINT\n$/);
    expect([code, await stdout]).toEqual([1, '']);
    expect(await readdir(temporary)).toEqual([]);
  },
  PATIENCE,
);

test.each([
  [['--case', 'warm'], /^warm is no case: index, /],
  [['--pairs', '0'], /^--pairs takes a number above 0\n$/],
  [['--repository', 'x'], /--repository/],
  [['--repo', '/nonexistent'], /^\/nonexistent is not a git repository\n$/],
])('%j is refused', async (args, message) => {
  const { child, ended, stdout } = startBench(...args);
  const log = text(child.stderr);
  const [code] = await ended;
  expect(await log).toMatch(message);
  expect([code, await stdout]).toEqual([2, '']);
  expect(await readdir(temporary)).toEqual([]);
});
