import { decompress } from '../archive/decompress.js';
import { verifyDigest } from '../archive/digest-frame.js';
import { withoutWaitFrames } from '../archive/wait-frame.js';
import { unlessAborted } from '../async/abort.js';
import { counted } from './counted.js';
import { extractTar } from './extract-tar.js';
import { FileSystem } from './file-system.js';
import type { ExtractOptions, ExtractResult } from './options.js';
import type { Source } from './source.js';
import { createStaging, type Target } from './staging.js';
import type { UnpackOptions } from './unpack-options.js';

/** Reads a whole snapshot into a staging directory, whose content is then moved to `target`. */
export async function unpack(
  source: Source,
  target: Target,
  unpackOptions: UnpackOptions,
  { onProgress = () => {}, signal }: Pick<ExtractOptions, 'onProgress' | 'signal'>,
): Promise<ExtractResult> {
  let receivedBytes = 0;
  let files = 0;
  let verified = false;
  // Waits: without this, the rejection of an async function would end the process.
  const report = async () => {
    await unlessAborted(Promise.resolve(onProgress({ receivedBytes, files })), signal);
  };
  const received = counted(withoutWaitFrames(source.chunks), async (bytes) => {
    receivedBytes = bytes;
    await report();
  });
  const checked = verifyDigest(received, () => {
    verified = true;
  });
  const onFile = () => {
    files++;
  };
  const staging = await createStaging(target);
  try {
    const fileSystem = await FileSystem.of(staging.path);
    const options = { ...unpackOptions, fileSystem, signal, onFile };
    const names = await extractTar(decompress(checked), staging.path, options);
    await report();
    signal?.throwIfAborted();
    await staging.publish();
    return { receivedBytes, files, verified, ...names };
  } catch (error) {
    await staging.remove();
    throw error;
  }
}
