import { createWriteStream } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';

export interface DownloadOptions {
  signal: AbortSignal;
  /** Where the body goes. Default: nowhere. */
  file?: string;
}

/** Resolves after the last byte; rejects when the answer is not 200, or breaks off. */
export async function download(url: string, { signal, file }: DownloadOptions): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent: false, signal }, resolve).once('error', reject);
  });
  if (response.statusCode !== 200) {
    response.destroy();
    throw new Error(`${url} answers ${response.statusCode}`);
  }
  await (file === undefined ? discard(response) : pipeline(response, createWriteStream(file)));
}

async function discard(body: IncomingMessage): Promise<void> {
  for await (const _ of body);
}
