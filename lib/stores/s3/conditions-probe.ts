import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { elapsedSince, now, type Time } from '../../async/clock.js';
import { answerOf } from './failure.js';

/** Milliseconds after which a server without conditions is tried again: perhaps only a proxy refused them. */
const OFF_FOR = 600_000;
/** A tag that no object has. */
const WRONG_TAG = '00000000000000000000000000000000';
/** The answers to a write whose condition does not hold, and of servers that know no conditions. */
const REFUSED = {
  400: 'refused',
  404: 'refused',
  405: 'refused',
  409: 'refused',
  412: 'refused',
  501: 'refused',
} as const;
const FORBIDDEN = { 403: 'forbidden' } as const;

export type Condition = Pick<PutObjectCommand['input'], 'IfMatch' | 'IfNoneMatch'>;
export type WriteKind = 'put' | 'upload';

/** Sends the request that publishes a write. @returns the object's tag, or that it was not published. */
type Publish = (condition: Condition) => Promise<string | 'refused' | 'forbidden'>;

export interface ProbedBucket {
  readonly client: S3Client;
  readonly bucket: string;
  readonly prefix: string;
}

interface Result {
  readonly outcome: Promise<boolean>;
  readonly at: Time;
}

/**
 * Finds out whether the server checks the conditions of writes: it must accept a write whose
 * condition holds, and refuse the others. Each store tries this once, before its first write of a
 * kind, with a few bytes under a name of its own: five requests for `PutObject`, ten for an upload
 * in parts.
 */
export class ConditionsProbe {
  readonly #bucket: ProbedBucket;
  readonly #results = new Map<WriteKind, Result>();

  constructor(bucket: ProbedBucket) {
    this.#bucket = bucket;
  }

  /** @throws SnapshotError if the server fails. The next call tries again. */
  async isChecked(kind: WriteKind): Promise<boolean> {
    const known = this.#results.get(kind);
    if (known !== undefined) {
      const isChecked = await known.outcome;
      if (isChecked || elapsedSince(known.at) < OFF_FOR) return isChecked;
    }
    const outcome = this.#probe(kind);
    this.#results.set(kind, { outcome, at: now() });
    outcome.catch(() => this.#results.delete(kind));
    return await outcome;
  }

  /** The server refused writes whose condition held. For ten minutes, it gets no conditions. */
  distrust(kind: WriteKind): void {
    this.#results.set(kind, { outcome: Promise.resolve(false), at: now() });
  }

  async #probe(kind: WriteKind): Promise<boolean> {
    const { client, bucket, prefix } = this.#bucket;
    const target = { Bucket: bucket, Key: `${prefix}!probe/${randomUUID()}` };
    const leftovers: AbortMultipartUploadCommand[] = [];
    const begin = async (): Promise<Publish> => {
      if (kind === 'put') {
        return (condition) =>
          this.#publish(new PutObjectCommand({ ...target, Body: '?', ...condition }));
      }
      const create = new CreateMultipartUploadCommand(target);
      const { UploadId } = await answerOf(client.send(create), undefined);
      leftovers.push(new AbortMultipartUploadCommand({ ...target, UploadId }));
      const part = { ...target, UploadId, PartNumber: 1 };
      const send = new UploadPartCommand({ ...part, Body: '?' });
      const { ETag } = await answerOf(client.send(send), undefined);
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      const complete = { ...target, UploadId, MultipartUpload };
      return (condition) =>
        this.#publish(new CompleteMultipartUploadCommand({ ...complete, ...condition }));
    };
    try {
      return await checksConditions(begin);
    } finally {
      // The server does not know a completed upload any more.
      for (const abort of leftovers) await client.send(abort).catch(() => {});
      await client.send(new DeleteObjectCommand(target)).catch(() => {});
    }
  }

  async #publish(command: PutObjectCommand | CompleteMultipartUploadCommand) {
    const outcomes = { ...REFUSED, ...FORBIDDEN };
    const sent: Promise<{ readonly ETag?: string | undefined }> =
      command instanceof PutObjectCommand
        ? this.#bucket.client.send(command)
        : this.#bucket.client.send(command);
    const answer = await answerOf(sent, undefined, outcomes);
    return typeof answer === 'string' ? answer : (answer.ETag?.replaceAll('"', '') ?? '');
  }
}

/** A server that forbids the probe is taken for one that checks conditions, as S3 does. */
async function checksConditions(begin: () => Promise<Publish>): Promise<boolean> {
  const first = await begin();
  const tag = await first({ IfNoneMatch: '*' });
  if (tag === 'forbidden') return true;
  if (tag === 'refused') return false;
  const second = await begin();
  for (const unmet of [{ IfNoneMatch: '*' }, { IfMatch: WRONG_TAG }])
    if ((await second(unmet)) !== 'refused') return false;
  return (await second({ IfMatch: tag })) !== 'refused';
}
