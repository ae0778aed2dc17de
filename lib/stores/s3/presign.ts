import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectHead, S3Bucket } from './bucket.js';
import { requirePresigner } from './config.js';
import { answerOf } from './failure.js';
import type { PresignOptions } from './options.js';

/** Signs the URL of an object, or of its S3 version if there is one. Makes no request. */
export async function presignObject(
  bucket: S3Bucket,
  name: string,
  { versionId }: ObjectHead,
  { expiresIn, contentType, contentDisposition, signal }: PresignOptions,
): Promise<string> {
  const command = new GetObjectCommand({
    Bucket: bucket.name,
    Key: name,
    VersionId: versionId,
    ResponseContentType: contentType,
    ResponseContentDisposition: contentDisposition,
  });
  // Loaded on first use, because the package is optional.
  const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner').catch((error) => {
    requirePresigner();
    throw error;
  });
  return answerOf(getSignedUrl(bucket.client, command, { expiresIn }), signal);
}
