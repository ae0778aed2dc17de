import { callHost } from '../call-host.js';
import type { SnapshotError } from '../errors.js';

/** A logger that takes the fields first, as those of pino, bunyan and Fastify. */
export interface FieldsFirstLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A logger that takes the message first: `console`, winston's, and Backstage's `LoggerService`. */
export interface MessageFirstLogger {
  warn(message: string, fields: object): void;
  error(message: string, fields: object): void;
}

/**
 * The methods of a logger that the library calls. A logger with `log` but no `child`, as `console`
 * and Nest's, gets one line of text. One with `child`, but not with `trace` and `fatal`, or with
 * `configure`, gets the message first, as winston's and Backstage's. Any other gets the fields first.
 */
export type Logger = FieldsFirstLogger | MessageFirstLogger;

export interface LogFields {
  readonly err?: SnapshotError;
  readonly code?: string;
  /** `host/path` */
  readonly repository?: string | undefined;
  /** Of the request that failed. */
  readonly requestId?: string;
  /** Of the job that failed, as in its events. */
  readonly jobId?: string;
}

/** Writes to the logger of a host app, and never throws. */
export interface Log {
  warn(message: string, fields: LogFields): void;
  error(message: string, fields: LogFields): void;
}

type Level = keyof Log;

/** @param logger `false`: nothing is logged. */
export function logTo(logger: Logger | false = console): Log {
  if (logger === false) return { warn() {}, error() {} };
  const argumentsFor = styleOf(logger);
  const write = (level: Level) => (message: string, fields: LogFields) =>
    callHost('a logger', () => Reflect.apply(logger[level], logger, argumentsFor(message, fields)));
  return { warn: write('warn'), error: write('error') };
}

type Style = (message: string, fields: LogFields) => readonly unknown[];

function styleOf(logger: Logger): Style {
  const has = (name: string) => typeof Reflect.get(logger, name) === 'function';
  if (!has('child')) return has('log') ? asLine : fieldsFirst;
  return has('trace') && has('fatal') && !has('configure') ? fieldsFirst : messageFirst;
}

const fieldsFirst: Style = (message, fields) => [fields, message];

/** These loggers print the message, but not that of an error among the fields. */
const messageFirst: Style = (message, fields) => {
  const { err } = fields;
  if (err === undefined) return [message, fields];
  return [`${message}: ${err.message}`, { ...fields, stack: err.stack }];
};

const asLine: Style = (message, { err, code, repository, requestId, jobId }) => {
  const about = [
    repository,
    requestId !== undefined && `request ${requestId}`,
    jobId !== undefined && `job ${jobId}`,
  ].filter((text) => typeof text === 'string');
  const where = about.length > 0 ? ` (${about.join(', ')})` : '';
  const why = err === undefined ? '' : `: ${code ?? err.code}: ${err.message}`;
  return [oneLine(`express-git-snapshot: ${message}${where}${why}`)];
};

/** Messages may hold text of an upstream, which must not look like further lines. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}
