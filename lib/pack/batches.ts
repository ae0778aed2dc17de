/**
 * Gathers chunks into batches of so many bytes; the last one may be shorter. A batch is valid until the
 * next one is asked for.
 */
export async function* inBatches(
  source: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Buffer> {
  const batch = Buffer.allocUnsafeSlow(bytes);
  let gathered = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, bytes - gathered);
      batch.set(chunk.subarray(at, at + taken), gathered);
      gathered += taken;
      at += taken;
      if (gathered < bytes) continue;
      yield batch;
      gathered = 0;
    }
  }
  if (gathered > 0) yield batch.subarray(0, gathered);
}
