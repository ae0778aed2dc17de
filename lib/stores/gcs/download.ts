import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout } from 'node:timers/promises';
import type { Storage } from '@google-cloud/storage';
import { unlessAborted } from '../../async/abort.js';
import { type ObjectAnswer, type ObjectHead, unexpected, wholeSize } from '../bucket/bucket.js';
import type { ByteRange } from '../store.js';
import { answerOf, headerOf, Refused, refusalOf } from './failure.js';

const METADATA = 'x-goog-meta-';
const OUTCOMES = { 404: 'missing', 412: 'changed', 416: 'outside' } as const;
/** Milliseconds until the head of an answer. */
const TIMEOUT = 60_000;
/** As often, and after as long, as the SDK repeats its own requests. */
const MAX_RETRIES = 3;
const FIRST_DELAY = 1000;

export interface Download {
  readonly bucket: string;
  readonly name: string;
  readonly range: ByteRange | undefined;
  readonly only: ObjectHead | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Downloads an object by the XML API, whose answer has bytes, generation and metadata at once. The
 * SDK's own streams can't be used. When one of them is destroyed, the SDK ends the connections of
 * all others, and it does not notice when a connection ends too early.
 */
export async function download(
  client: Storage,
  { bucket, name, range, only, signal }: Download,
): Promise<ObjectAnswer | 'missing' | 'outside' | 'changed'> {
  const path = [bucket, ...name.split('/')].map(encodeURIComponent).join('/');
  const url = new URL(`${client.apiEndpoint}/${path}`);
  if (only !== undefined) url.searchParams.set('generation', only.etag);
  const headers = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` };
  const body = await answerOf(repeated(client, url, headers, signal), signal, OUTCOMES);
  if (body === 'missing') return only === undefined ? 'missing' : 'changed';
  if (typeof body === 'string') return body;
  try {
    const { 'content-length': length, 'content-range': part } = body.headers;
    const size = range === undefined ? Number(length) : wholeSize(range, part);
    const etag = headerOf(body.headers, 'x-goog-generation');
    if (!Number.isInteger(size) || etag === undefined)
      throw unexpected('an answer without size or generation');
    return { size, etag, metadata: metadataIn(body), body };
  } catch (error) {
    body.destroy();
    throw error;
  }
}

async function repeated(
  client: Storage,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const { autoRetry = true, maxRetries = MAX_RETRIES } = client.retryOptions;
  // As the SDK: an emulator gets no credentials, unless they are asked for.
  const isOpen = client.customEndpoint && client.useAuthWithCustomEndpoint !== true;
  const getCredentials = async () => await client.authClient.getRequestHeaders(url.href);
  const credentials = isOpen ? {} : await unlessAborted(getCredentials(), signal);
  for (let attempt = 0; ; attempt++) {
    try {
      return await send(url, { ...credentials, ...headers }, signal);
    } catch (error) {
      const { status = 503 } = refusalOf(error) ?? {};
      const mayPass = status === 429 || status >= 500;
      if (signal?.aborted || !mayPass || !autoRetry || attempt >= maxRetries) throw error;
      await unlessAborted(setTimeout(FIRST_DELAY * 2 ** attempt), signal);
    }
  }
}

/** @throws Refused; errors of the connection. */
async function send(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const start = url.protocol === 'http:' ? httpRequest : httpsRequest;
  const request = start(url, { headers, timeout: TIMEOUT });
  const late = () => request.destroy(new Error(`no answer after ${TIMEOUT} ms`));
  const onAbort = () => request.destroy(new Error('aborted'));
  request.once('timeout', late);
  signal?.addEventListener('abort', onAbort);
  try {
    request.end();
    const [answer]: IncomingMessage[] = await once(request, 'response');
    // The reader decides how long it waits for the bytes, and listens to the signal.
    if (answer === undefined) throw unexpected('no answer');
    request.off('timeout', late).on('error', () => {});
    if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
    throw await Refused.of(answer);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function metadataIn({ headers }: IncomingMessage): Record<string, string> {
  const fields = Object.entries(headers).filter(([field]) => field.startsWith(METADATA));
  return Object.fromEntries(
    fields.map(([field, value]) => [field.slice(METADATA.length), String(value)]),
  );
}
