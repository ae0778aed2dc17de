import {
  CompleteMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { after, LONG_AGO, now } from '../../async/clock.js';
import type { CheckCondition } from '../bucket/bucket.js';
import { preconditionFailure } from '../write-condition.js';
import { isNamed, statusOf } from './failure.js';

/** The requests that publish an object. Before that, nobody can read its bytes. */
export type PublishCommand = PutObjectCommand | CompleteMultipartUploadCommand;

export function isPublishCommand(command: unknown): command is PublishCommand {
  return command instanceof PutObjectCommand || command instanceof CompleteMultipartUploadCommand;
}

/** Another write may cause the first refusal. After a second one, the server counts as faulty. */
const ATTEMPTS = 2;

/** Milliseconds after which conditions are tried again: perhaps only a proxy refused them. */
const OFF_FOR = 600_000;

/** Sends the request that publishes an object. */
export type Publish = (
  command: PublishCommand,
  options: { readonly abortSignal: AbortSignal },
) => Promise<unknown>;

type Condition = Pick<PutObjectCommand['input'], 'IfMatch' | 'IfNoneMatch'>;

/**
 * Publishes objects on the condition that a revision, or nothing, is stored in their place. Uses
 * `If-Match` and `If-None-Match: *`.
 *
 * Conditions of S3 name entity tags, which are equal for equal bytes. So the store reads the
 * revision and its tag right before it publishes. It does not notice a version with equal bytes
 * that comes in between.
 *
 * Some servers don't support conditions (501), or refuse writes whose condition holds, as Swift
 * does with parts. For ten minutes, the store writes to such a server without conditions, right
 * after it has read the revision. Another write may then come in between.
 */
export class ConditionalWrites {
  readonly #client: S3Client;
  /** When conditions may be tried again. */
  #offUntil = LONG_AGO;

  constructor(client: S3Client) {
    this.#client = client;
  }

  /**
   * @throws SnapshotError `PRECONDITION_FAILED`. This may also happen when the object has been
   *   published: if an answer is lost, the SDK repeats the request. Other errors are those of the
   *   request.
   */
  async publish(
    key: string,
    checkCondition: CheckCondition,
    ...[command, options]: Parameters<Publish>
  ): Promise<unknown> {
    const isOff = now() < this.#offUntil;
    for (let attempt = 0; ; attempt++) {
      const head = await checkCondition(options.abortSignal);
      if (isOff || attempt === ATTEMPTS) break;
      try {
        return await sendPublish(this.#client, command, options, conditionOf(head?.etag));
      } catch (error) {
        if (statusOf(error) === 501) break;
        if (isNamed(error, 'ConditionalRequestConflict')) throw preconditionFailure(key, error);
        if (!isRefused(error)) throw error;
      }
    }
    const answer = await sendPublish(this.#client, command, options);
    if (!isOff) this.#offUntil = after(now(), OFF_FOR);
    return answer;
  }
}

/** Sends the request with a condition. Default: without one. */
export async function sendPublish(
  client: S3Client,
  command: PublishCommand,
  options: Parameters<Publish>[1],
  condition: Condition = {},
): Promise<unknown> {
  if (command instanceof PutObjectCommand)
    return client.send(new PutObjectCommand({ ...command.input, ...condition }), options);
  const complete = new CompleteMultipartUploadCommand({ ...command.input, ...condition });
  return client.send(complete, options);
}

/**
 * The tag has no quotes, although RFC 9110, section 13.1.1, demands them: Ceph and its derivatives
 * accept only this form.
 */
function conditionOf(etag: string | undefined): Condition {
  return etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag.replaceAll('"', '') };
}

/** Whether another object is stored (412, with names that differ between servers), or none. */
function isRefused(error: unknown): boolean {
  return statusOf(error) === 412 || isNamed(error, 'NoSuchKey');
}
