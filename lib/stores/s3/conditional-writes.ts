import {
  CompleteMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { CheckCondition, ObjectHead } from '../bucket/bucket.js';
import { preconditionFailure } from '../write-condition.js';
import { type Condition, ConditionsProbe, type ProbedBucket } from './conditions-probe.js';
import { isNamed, statusOf } from './failure.js';

/** The requests that publish an object. Before that, nobody can read its bytes. */
export type PublishCommand = PutObjectCommand | CompleteMultipartUploadCommand;

export function isPublishCommand(command: unknown): command is PublishCommand {
  return command instanceof PutObjectCommand || command instanceof CompleteMultipartUploadCommand;
}

/** Another write may cause the first refusal. After a second one, the server counts as faulty. */
const ATTEMPTS = 2;

/** Sends the request that publishes an object. */
export type Publish = (
  command: PublishCommand,
  options: { readonly abortSignal: AbortSignal },
) => Promise<unknown>;

/**
 * Publishes objects on the condition that a revision, or nothing, is stored in their place. Uses
 * `If-Match` and `If-None-Match: *`.
 *
 * Conditions of S3 name entity tags, which are equal for equal bytes. So the store reads the
 * revision and its tag right before it publishes. It does not notice a version with equal bytes
 * that comes in between.
 *
 * Some servers don't check conditions: see `ConditionsProbe`. To such a server, the store writes
 * without conditions, right after it has read the revision. Another write may then come in between.
 */
export class ConditionalWrites {
  readonly #bucket: ProbedBucket;
  readonly #probe: ConditionsProbe;
  #hasWarned = false;

  constructor(bucket: ProbedBucket) {
    this.#bucket = bucket;
    this.#probe = new ConditionsProbe(bucket);
  }

  /** Whether the server checks conditions in single requests, but not for uploads in parts. */
  async needPointers(): Promise<boolean> {
    return !(await this.#probe.isChecked('upload')) && (await this.#probe.isChecked('put'));
  }

  /**
   * @returns what was stored right before.
   * @throws SnapshotError `PRECONDITION_FAILED`. This may also happen when the object has been
   *   published: if an answer is lost, the SDK repeats the request. Other errors are those of the
   *   request.
   */
  async publish(
    key: string,
    checkCondition: CheckCondition,
    ...[command, options]: Parameters<Publish>
  ): Promise<ObjectHead | undefined> {
    const { client } = this.#bucket;
    const kind = command instanceof PutObjectCommand ? 'put' : 'upload';
    const isChecked = await this.#probe.isChecked(kind);
    for (let attempt = 0; ; attempt++) {
      const replaced = await checkCondition(options.abortSignal);
      if (!isChecked || attempt === ATTEMPTS) {
        if (isChecked) this.#probe.distrust(kind);
        this.#warn();
        await sendPublish(client, command, options);
        return replaced;
      }
      try {
        await sendPublish(client, command, options, conditionOf(replaced?.etag));
        return replaced;
      } catch (error) {
        if (isNamed(error, 'ConditionalRequestConflict')) throw preconditionFailure(key, error);
        if (!isRefused(error)) throw error;
      }
    }
  }

  #warn(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const detail =
      'If two processes write one snapshot at the same moment, the older one may replace the newer one. ' +
      'Set `conditionalWrites: false` if this is acceptable.';
    const message = `the server of bucket ${this.#bucket.bucket} does not check conditions of writes`;
    process.emitWarning(message, { type: 'S3StoreWarning', detail });
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
  const isUnsupported = statusOf(error) === 501;
  return isUnsupported || statusOf(error) === 412 || isNamed(error, 'NoSuchKey');
}
