import {
  CompleteMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isConditionMet, preconditionFailure } from '../write-condition.js';
import { isNamed, statusOf } from './failure.js';
import type { ObjectReader } from './object-reader.js';

/** The requests that publish an object. Nobody can read what was sent before them. */
export type PublishCommand = PutObjectCommand | CompleteMultipartUploadCommand;

export function isPublishCommand(command: unknown): command is PublishCommand {
  return command instanceof PutObjectCommand || command instanceof CompleteMultipartUploadCommand;
}

/**
 * What is in the way may come and go; twice in a row, it is the server that is taken to be wrong.
 */
const ATTEMPTS = 2;

/**
 * Milliseconds for which a server counts as unable to check conditions. It may have been a proxy's
 * answer.
 */
const OFF_FOR = 600_000;

interface SendOptions {
  readonly abortSignal?: AbortSignal;
}

type Condition = Pick<PutObjectCommand['input'], 'IfMatch' | 'IfNoneMatch'>;

/**
 * Publishes objects on the condition that a revision, or nothing, is in their place, by `If-Match`
 * and `If-None-Match: *`.
 *
 * Conditions of S3 name tags, which are equal for equal bytes. So the store reads the revision and
 * its tag right before it publishes. It does not notice a version with equal bytes that comes in
 * between.
 *
 * Some servers don't support conditions (501), or refuse writes whose condition holds, as Swift
 * does with parts. For ten minutes, the store writes to such a server without conditions, right
 * after it has read the revision. Another write may then commit in between.
 */
export class ConditionalWrites {
  readonly #client: S3Client;
  readonly #reader: ObjectReader;
  /** When conditions may be tried again: by `performance.now()`. */
  #offUntil = Number.NEGATIVE_INFINITY;

  constructor(client: S3Client, reader: ObjectReader) {
    this.#client = client;
    this.#reader = reader;
  }

  /**
   * @throws SnapshotError `PRECONDITION_FAILED`, also when the object is there already: the SDK
   *   sends a request again whose answer was lost. Else what the request fails with.
   */
  async publish(
    key: string,
    replaces: string | null,
    command: PublishCommand,
    options: SendOptions,
  ): Promise<unknown> {
    const name = command.input.Key ?? '';
    const isOff = performance.now() < this.#offUntil;
    for (let attempt = 0; ; attempt++) {
      const { head, object } = await this.#reader.look(name, key, options.abortSignal);
      if (!isConditionMet(object, replaces)) throw preconditionFailure(key);
      if (isOff || attempt === ATTEMPTS) break;
      try {
        return await this.#send(command, conditionOf(head?.etag), options);
      } catch (error) {
        if (isNotImplemented(error)) break;
        if (isNamed(error, 'ConditionalRequestConflict')) throw preconditionFailure(key, error);
        if (!isRefused(error)) throw error;
      }
    }
    const answer = await this.#send(command, {}, options);
    if (!isOff) this.#offUntil = performance.now() + OFF_FOR;
    return answer;
  }

  #send(command: PublishCommand, condition: Condition, options: SendOptions): Promise<unknown> {
    const client = this.#client;
    return command instanceof PutObjectCommand
      ? client.send(new PutObjectCommand({ ...command.input, ...condition }), options)
      : client.send(
          new CompleteMultipartUploadCommand({ ...command.input, ...condition }),
          options,
        );
  }
}

/**
 * The tag has no quotes, against RFC 9110, section 13.1.1: S3 takes it either way, Ceph and what is
 * made of it only so.
 */
function conditionOf(etag: string | undefined): Condition {
  return etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag.replaceAll('"', '') };
}

function isNotImplemented(error: unknown): boolean {
  return statusOf(error) === 501;
}

/** Something else was there, or nothing. Servers have names of their own for the first. */
function isRefused(error: unknown): boolean {
  return statusOf(error) === 412 || isNamed(error, 'NoSuchKey');
}
