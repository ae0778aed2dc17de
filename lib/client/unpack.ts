import { decompress } from '../archive/decompress.js';
import { verifyDigest } from '../archive/digest-frame.js';
import { withoutWaitFrames } from '../archive/wait-frame.js';
import { unlessAborted } from '../async/abort.js';
import { toSnapshotError } from '../errors.js';
import { extractTar } from './extract-tar.js';
import type { TreeLimits } from './limits.js';
import type { ExtractOptions, ExtractResult } from './options.js';
import type { Source } from './source.js';
import { createStaging } from './staging.js';

const PROGRESS_BYTES = 1024 * 1024;

/** Reads a whole snapshot into a staging directory, which then takes the place of `target`. */
export async function unpack(
  source: Source,
  target: string,
  limits: TreeLimits,
  { onProgress = () => {}, signal }: Pick<ExtractOptions, 'onProgress' | 'signal'>,
): Promise<ExtractResult> {
  let receivedBytes = 0;
  let files = 0;
  let verified = false;
  // Waits: without this, the rejection of an async function would end the process.
  const report = async () => {
    await unlessAborted(Promise.resolve(onProgress({ receivedBytes, files })), signal);
  };
  async function* received() {
    await report();
    let reported = 0;
    for await (const chunk of withoutWaitFrames(source.chunks)) {
      receivedBytes += chunk.length;
      if (receivedBytes - reported >= PROGRESS_BYTES) {
        reported = receivedBytes;
        await report();
      }
      yield chunk;
    }
    await report();
  }
  const checked = verifyDigest(received(), () => {
    verified = true;
  });
  const onFile = () => {
    files++;
  };
  const staging = await createStaging(target);
  try {
    await extractTar(decompress(checked), staging.path, { ...limits, signal, onFile });
    await report();
    signal?.throwIfAborted();
    await staging.publish();
  } catch (error) {
    await staging.remove();
    throw error;
  }
  return { receivedBytes, files, verified };
}

/** Gives each failure of a call a code. After an abort, every failure is the signal's own reason. */
export async function withFailures<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw signal?.aborted ? signal.reason : toSnapshotError(error);
  }
}
