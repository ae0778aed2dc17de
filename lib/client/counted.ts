/** Bytes between two reports. */
const STEP = 1024 * 1024;

/** Passes chunks on, and reports how many bytes came: at the start, about once per MiB, at the end. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  report: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  let reported = 0;
  await report(0);
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes - reported >= STEP) {
      reported = bytes;
      await report(bytes);
    }
    yield chunk;
  }
  await report(bytes);
}
