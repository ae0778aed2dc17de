import { Writable } from 'node:stream';
import bunyan from 'bunyan';
import pino from 'pino';
import winston from 'winston';
import { type Logger, logTo } from '../../lib/config/logger.js';
import { SnapshotError } from '../../lib/errors.js';
import { failureFields } from '../../lib/events/log-failures.js';

const repository = { host: 'git.example', path: 'org/repo' };
const err = new SnapshotError('STORE_FAILED', 'the disk is gone', { repository });
const FIELDS = { ...failureFields(err), requestId: 'r-1' };

/** A stream for loggers, and the lines that they have written to it. */
function sink() {
  const lines: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      lines.push(String(chunk).trimEnd());
      done();
    },
  });
  return { lines, stream, records: () => lines.map((line) => JSON.parse(line)) };
}

function logBoth(logger: Logger | false | undefined, fields = FIELDS) {
  const log = logTo(logger);
  log.warn('snapshot unavailable', fields);
  log.error('artifact not stored', fields);
}

const ABOUT = { code: 'STORE_FAILED', repository: 'git.example/org/repo', requestId: 'r-1' };

test('A logger of pino gets the fields, and the error with its stack', () => {
  const { stream, records } = sink();
  logBoth(pino(stream));
  const error = { message: 'the disk is gone', stack: expect.stringContaining('SnapshotError') };
  expect(records()).toEqual([
    expect.objectContaining({ level: 40, msg: 'snapshot unavailable', ...ABOUT }),
    expect.objectContaining({ level: 50, msg: 'artifact not stored', ...ABOUT }),
  ]);
  expect(records()[1].err).toMatchObject(error);
});

test('A logger of bunyan gets the fields, and the error with its stack', () => {
  const { stream, records } = sink();
  logBoth(bunyan.createLogger({ name: 'app', stream, serializers: bunyan.stdSerializers }));
  const error = { message: 'the disk is gone', stack: expect.stringContaining('SnapshotError') };
  expect(records()).toEqual([
    expect.objectContaining({ level: 40, msg: 'snapshot unavailable', ...ABOUT }),
    expect.objectContaining({ level: 50, msg: 'artifact not stored', ...ABOUT }),
  ]);
  expect(records()[1].err).toMatchObject(error);
});

test.each([
  ['its own levels', undefined],
  ['the levels of pino', { fatal: 0, error: 1, warn: 2, info: 3, debug: 4, trace: 5 }],
])('A logger of winston with %s gets the message, the fields and the error', (_, levels) => {
  const { stream, records } = sink();
  const seen: unknown[] = [];
  const see = winston.format((info) => {
    seen.push(info.err);
    return info;
  });
  const format = winston.format.combine(see(), winston.format.json());
  const transports = [new winston.transports.Stream({ stream, eol: '\n' })];
  const logger = winston.createLogger({ ...(levels && { levels }), format, transports });
  logBoth(logger);
  logBoth(logger.child({ app: 'x' }));
  const stack = expect.stringContaining('SnapshotError');
  const message = 'artifact not stored: the disk is gone';
  expect(records()).toHaveLength(4);
  expect(records()[0]).toMatchObject({ level: 'warn', ...ABOUT });
  expect(records()[1]).toMatchObject({ level: 'error', message, stack, ...ABOUT });
  expect(records()[3]).toMatchObject({ level: 'error', message, stack, ...ABOUT, app: 'x' });
  expect(seen).toEqual([err, err, err, err]);
});

test('The console gets one line for each failure, whatever the message holds', () => {
  const out = sink();
  const errors = sink();
  const lines = new console.Console(out.stream, errors.stream);
  const evil = new SnapshotError('UPSTREAM_INVALID', 'remote: a\r\nforged line\u001b[2J', {
    repository,
  });
  logBoth(lines, { ...failureFields(evil), requestId: 'r-2' });
  const about = '(git.example/org/repo, request r-2): UPSTREAM_INVALID: remote: a forged line [2J';
  expect(out.lines).toEqual([]);
  expect(errors.lines).toEqual([
    `express-git-snapshot: snapshot unavailable ${about}`,
    `express-git-snapshot: artifact not stored ${about}`,
  ]);
});

test('Without a logger, the console of the process gets the lines', () => {
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  const error = jest.spyOn(console, 'error').mockImplementation(() => {});
  try {
    logBoth(undefined);
    logBoth(false);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(error.mock.calls).toEqual([
      [expect.stringMatching(/^express-git-snapshot: artifact not stored \(.*disk is gone$/)],
    ]);
  } finally {
    warn.mockRestore();
    error.mockRestore();
  }
});

test('Any other logger gets the fields first', () => {
  const calls: unknown[] = [];
  const note = (...args: unknown[]) => void calls.push(args);
  logBoth({ warn: note, error: note });
  expect(calls).toEqual([
    [FIELDS, 'snapshot unavailable'],
    [FIELDS, 'artifact not stored'],
  ]);
});
