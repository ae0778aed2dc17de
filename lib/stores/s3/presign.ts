import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ObjectHead } from '../bucket/bucket.js';
import type { PresignOptions } from '../bucket/options.js';
import { requirePresigner } from './config.js';
import { answerOf } from './failure.js';

/**
 * Signs the URL of an object, or of its S3 version if there is one. Makes no request. The time of the
 * signature is that of the server's answer: this machine's clock may be wrong.
 */
export async function presignObject(
  client: S3Client,
  { bucket, name }: { readonly bucket: string; readonly name: string },
  { versionId, date }: ObjectHead,
  { expiresIn, contentType, contentDisposition, signal }: PresignOptions,
): Promise<string> {
  const command = new GetObjectCommand({
    Bucket: bucket,
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
  const signingDate = new Date(date ?? Date.now());
  return answerOf(getSignedUrl(client, command, { expiresIn, signingDate }), signal);
}
