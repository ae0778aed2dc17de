/**
 * @needs bash curl pzstd tar zstd
 * @one-node-version
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cleanup } from '../support/temporary-directory.js';
import { CASE_NAMES } from './cases/names.js';
import { parseCommandLine, UsageError } from './command-line.js';
import { nginxVersion } from './native/nginx.js';
import type { Report } from './report/report.js';

const { directory, defer } = cleanup(afterEach);
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

let temporary: string;

beforeEach(async () => {
  temporary = await directory();
});

/** Starts the program with a directory for temporary files of its own. */
function startBench(...args: string[]) {
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [MAIN, ...args], { env });
  const ended = once(child, 'close');
  defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { child, ended, stdout: text(child.stdout) };
}

describe('The bench of a tiny history', () => {
  let report: Report;

  test('runs every case, and writes nothing but the report to standard output', async () => {
    const cases = CASE_NAMES.flatMap((name) => ['--case', name]);
    const runs = ['--pairs', '1', '--no-warm-up'];
    const sizes = ['--objects', '300', '--sizes', '100,300', '--megabytes', '1'];
    const { child, ended, stdout } = startBench('--json', ...runs, ...cases, ...sizes);
    const log = text(child.stderr);
    const [code] = await ended;
    if (code !== 0) throw new Error(await log);
    report = JSON.parse(await stdout);
    expect(await readdir(temporary)).toEqual([]);
  });

  const timed = { seconds: 'number', cpuSeconds: 'number' };
  const transfer = {
    megabytesPerSecond: 'number',
    cpuSecondsPerGigabyte: 'number',
    clientLoad: 'number',
  };
  const hits = {
    requestsPerSecond: 'number',
    cpuMillisecondsPerRequest: 'number',
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
    ['metrics', 1, 'without metrics', { 'with metrics': hits, 'without metrics': hits }],
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
  ])('reports all figures of %s', async (title, count, reference, sides) => {
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

  test('reports the exponents of scale', () => {
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

test('A bench that Ctrl-C ends leaves nothing behind', async () => {
  // So many runs that nothing else ends it.
  const { child, ended, stdout } = startBench(
    '--case',
    'cold',
    '--objects',
    '100',
    '--pairs',
    '1000000',
  );
  const all = text(child.stderr);
  let log = '';
  let sent = 0;
  child.stderr.on('data', (chunk) => {
    log += chunk;
    if (sent === 0 && log.includes('ours warm-up')) sent = Number(child.kill('SIGINT'));
    // Users who are in a hurry press it again, and npm passes it on as well.
    if (sent === 1 && log.includes('stopping')) sent += Number(child.kill('SIGINT'));
  });
  const [code, signal] = await ended;
  expect(await all).toMatch(/\nstopping\n(.*\n)*Error: stopped by SIGINT\n$/);
  // By then all is done, and the second may come when Node has already let go of signals.
  expect([1, 'SIGINT']).toContain(code ?? signal);
  expect(await stdout).toBe('');
  expect(await readdir(temporary)).toEqual([]);
});

test.each([
  [['--case', 'warm'], /^warm is no case: index, /],
  [['--pairs', '0'], /^--pairs takes a number above 0$/],
  [['--repository', 'x'], /--repository/],
])('A bench refuses the arguments %j', (args, message) => {
  expect(() => parseCommandLine(args)).toThrow(UsageError);
  expect(() => parseCommandLine(args)).toThrow(message);
});

test.each([
  [['--pairs', '0'], '--pairs takes a number above 0\n'],
  [['--repo', '/nonexistent'], '/nonexistent is not a git repository\n'],
])('The bench command refuses the arguments %j, says why, and fails', async (args, message) => {
  const { child, ended, stdout } = startBench(...args);
  const log = text(child.stderr);
  const [code] = await ended;
  expect([code, await stdout, await log]).toEqual([2, '', message]);
  expect(await readdir(temporary)).toEqual([]);
});
