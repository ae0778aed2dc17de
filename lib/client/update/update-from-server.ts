import { unlessAborted } from '../../async/abort.js';
import { bundleUrl } from '../artifact-urls.js';
import { counted } from '../counted.js';
import { type Download, startDownload, startOptionalDownload } from '../download.js';
import type { RestoreOptions, RestoreResult } from '../options.js';
import { openDownload } from '../resumed-source.js';
import type { Source } from '../source.js';
import { unpack } from '../unpack.js';
import type { UnpackOptions } from '../unpack-options.js';
import type { UpdateSource } from './receive-upstream.js';
import { updateCheckout } from './update-checkout.js';

const NOTHING_NEWER = 204;
/** A server that makes no bundles, or not from this commit. */
const NO_BUNDLE = [400, 404, 405, 410, 501];

/** Brings a checkout up to date. @param directory absolute. @throws as `updateCheckout`. */
export async function updateFromServer(
  url: URL,
  directory: string,
  options: RestoreOptions,
  unpackOptions: UnpackOptions,
): Promise<RestoreResult> {
  const { signal, force = false, onProgress } = options;
  const received = { receivedBytes: 0, files: 0, totalBytes: undefined as number | undefined };
  let verified = false;
  const report = async (receivedBytes: number) => {
    received.receivedBytes = receivedBytes;
    await unlessAborted(Promise.resolve(onProgress?.({ ...received })), signal);
  };
  const sources: Source[] = [];
  const opened = (address: URL, download: Download): Source => {
    received.totalBytes = download.totalBytes;
    const source = openDownload(address, download, options);
    sources.push(source);
    return source;
  };
  const source: UpdateSource = {
    async bundle(base, originUrl) {
      const address = bundleUrl(url, originUrl, base);
      if (address === undefined) return undefined;
      const expected = [NOTHING_NEWER, ...NO_BUNDLE];
      const download = await startOptionalDownload(address, expected, options);
      if (typeof download === 'number') return download === NOTHING_NEWER ? 'newest' : undefined;
      verified = true; // or the update fails: each object of a bundle is verified by its id
      return counted(opened(address, download).chunks, report);
    },
    async snapshot(path) {
      const snapshot = opened(url, await startDownload(url, options));
      const result = await unpack(
        snapshot,
        { path, exists: false },
        { ...unpackOptions, onlyGit: true },
        { onProgress: ({ receivedBytes }) => report(receivedBytes), signal },
      );
      verified = result.verified;
    },
  };
  try {
    const { isChanged, commit, files, skipped } = await updateCheckout(directory, source, {
      ...unpackOptions,
      force,
      signal,
      onFile: () => {
        received.files++;
      },
    });
    const { receivedBytes } = received;
    await report(receivedBytes);
    const outcome = isChanged ? 'updated' : 'unchanged';
    return { outcome, commit, receivedBytes, files, verified, collisions: [], skipped };
  } finally {
    for (const one of sources) one.close();
  }
}
