import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { chunksOf } from '../body.js';
import { isPublishCommand, type Publish } from './conditional-writes.js';
import type { S3StoreConfig } from './config.js';
import { storeFailure } from './failure.js';

const BUFFERED_BYTES = 1024 * 1024;

export interface UploadOptions
  extends Pick<S3StoreConfig, 'client' | 'partSize' | 'concurrentParts'> {
  /** Sends the request that publishes the object. */
  readonly publish: Publish;
  /** Called before an upload in parts begins. @returns the name for the parts' object. */
  readonly nameParts: () => Promise<string>;
  /** Ends the upload, unless `publish` has been called. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Uploads the bytes of a body, in parts if they are more than one part. Holds at most
 * `concurrentParts` parts in flight, the part that is being filled, and a copy of that.
 *
 * Nobody can read the object before this resolves. If it fails, the parts that were sent are
 * removed before it rejects.
 *
 * @throws the error of the body; the signal's reason; SnapshotError.
 */
export async function upload(
  params: PutObjectCommandInput,
  body: AsyncIterable<Uint8Array>,
  { client, partSize, concurrentParts: queueSize, publish, nameParts, signal }: UploadOptions,
): Promise<void> {
  const stopping = new AbortController();
  /** The first failure: it causes the others. */
  let failure: { readonly error: unknown } | undefined;
  const stop = (error: unknown) => {
    failure ??= { error };
    stopping.abort(error);
  };
  const onAbort = () => stop(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });

  const read = async function* () {
    try {
      for await (const chunk of chunksOf(body, stopping.signal)) {
        if (chunk.length > 0) yield Buffer.from(chunk); // the stream reads on before it is sent
      }
    } catch (error) {
      stop(error);
      throw error;
    }
  };
  /** The name of an object in parts. */
  let name: Promise<string> | undefined;
  const send = async (...[command]: Parameters<S3Client['send']>): Promise<unknown> => {
    const isCleanUp = command instanceof AbortMultipartUploadCommand;
    // An upload is created without the signal: only the answer names the upload to abort.
    const mayStop = !isCleanUp && !(command instanceof CreateMultipartUploadCommand);
    const options = { abortSignal: stopping.signal };
    try {
      if (command instanceof CreateMultipartUploadCommand) name = nameParts();
      if (name !== undefined) Object.assign(command.input, { Key: await name });
      if (!isPublishCommand(command)) return await client.send(command, mayStop ? options : {});
      signal?.removeEventListener('abort', onAbort);
      return await publish(command, options);
    } catch (error) {
      if (!isCleanUp) stop(signal?.aborted ? signal.reason : storeFailure(error));
      throw error;
    }
  };
  const Body = Readable.from(read(), { objectMode: false, highWaterMark: BUFFERED_BYTES });
  Body.on('error', () => {}); // `failure` has it
  try {
    await new Upload({
      client: watched(client, send),
      params: { ...params, Body },
      partSize,
      queueSize,
    }).done();
  } catch (error) {
    throw failure === undefined ? storeFailure(error) : failure.error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    Body.destroy();
  }
}

/**
 * A client for an `Upload`, whose requests are watched. After a part has failed, an `Upload` goes
 * on with the others, and can't end requests that have begun. It removes its parts when its stream
 * fails. So a failed request ends all requests and the stream.
 */
function watched(
  client: S3Client,
  send: (...args: Parameters<S3Client['send']>) => unknown,
): S3Client {
  return new Proxy(client, {
    get: (target, property) => (property === 'send' ? send : Reflect.get(target, property)),
  });
}
