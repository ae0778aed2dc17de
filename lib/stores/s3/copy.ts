import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import type { ObjectHead } from '../bucket/bucket.js';

const GIB = 1024 ** 3;
/** S3 copies no more in one request. */
const MAX_COPY_BYTES = 5 * GIB;
const PART_BYTES = 1 * GIB;
const CONCURRENT_PARTS = 4;

export interface CopyOptions {
  readonly bucket: string;
  /** Names of objects in it. */
  readonly from: string;
  readonly to: string;
  /** The object at `from`. If it is replaced meanwhile, the copy has one version, or fails. */
  readonly head: ObjectHead;
  readonly signal: AbortSignal;
}

/** Copies an object with its metadata within the bucket. The bytes don't leave the server. */
export async function copyObject(client: S3Client, options: CopyOptions): Promise<void> {
  const { bucket, from, to, head, signal } = options;
  const CopySource = [bucket, ...from.split('/')].map(encodeURIComponent).join('/');
  const target = { Bucket: bucket, Key: to };
  const sending = { abortSignal: signal };
  if (head.size <= MAX_COPY_BYTES) {
    await client.send(new CopyObjectCommand({ ...target, CopySource }), sending);
    return;
  }
  // All parts must come from one version. The tag has no quotes, as in the conditions of writes.
  const source = { CopySource, CopySourceIfMatch: head.etag.replaceAll('"', '') };
  const create = { ...target, Metadata: { ...head.metadata } };
  // Sent without the signal: only the answer names the upload to abort.
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(create));
  try {
    const limit = pLimit(CONCURRENT_PARTS);
    const copyPart = async (index: number) => {
      const start = index * PART_BYTES;
      const CopySourceRange = `bytes=${start}-${Math.min(start + PART_BYTES, head.size) - 1}`;
      const part = { UploadId, PartNumber: index + 1 };
      const command = { ...target, ...source, ...part, CopySourceRange };
      const { CopyPartResult } = await client.send(new UploadPartCopyCommand(command), sending);
      return { PartNumber: index + 1, ETag: CopyPartResult?.ETag };
    };
    const count = Math.ceil(head.size / PART_BYTES);
    const Parts = await limit.map(Array.from({ length: count }).keys(), copyPart);
    const complete = { ...target, UploadId, MultipartUpload: { Parts } };
    await client.send(new CompleteMultipartUploadCommand(complete), sending);
  } catch (error) {
    const abort = new AbortMultipartUploadCommand({ ...target, UploadId });
    await client.send(abort).catch(() => {}); // the first failure is the one to report
    throw error;
  }
}
