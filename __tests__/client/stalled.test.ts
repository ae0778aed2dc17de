import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readdir } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Header } from 'tar';
import { restoreSnapshot } from '../../lib/client/index.js';
import { cleanup } from '../support/temporary-directory.js';
import { serve } from './archive-server.js';
import { rawFrame } from './archives.js';

const { directory, defer } = cleanup(afterEach);
const FIVE_MINUTES = 5 * 60_000;
const MIB = 1024 * 1024;

/** Replaces the answers that clients in this process get. */
function watchAnswers(): IncomingMessage[] {
  const answers: IncomingMessage[] = [];
  const channel = 'http.client.response.finish';
  const note = (message: unknown) => {
    answers.push((message as { response: IncomingMessage }).response);
  };
  subscribe(channel, note);
  defer(() => unsubscribe(channel, note));
  return answers;
}

/** The first two of three MiB of a file. */
function beginning(): Buffer {
  const header = Buffer.alloc(512);
  new Header({ path: 'file', type: 'File', mode: 0o644, size: 3 * MIB }).encode(header);
  return rawFrame(Buffer.concat([header, Buffer.alloc(3 * MIB)])).subarray(0, 2 * MIB);
}

test('A restore fails when its server sends nothing for five minutes, and leaves no file', async () => {
  const url = await serve({ defer }, (_, res) => res.write(beginning()));
  const answers = watchAnswers();
  const parent = await directory();
  const hanging = new AbortController();
  const restoring = restoreSnapshot({
    url,
    directory: join(parent, 'target'),
    signal: hanging.signal,
    retryTimeout: 0,
    onProgress: ({ receivedBytes }) => {
      if (receivedBytes === 0) return;
      const [answer] = answers;
      expect(answer?.socket.timeout).toBe(FIVE_MINUTES);
      // As Node does at the end of an answer.
      answer?.socket.emit('timeout');
      if (!answer?.destroyed) hanging.abort(new Error('the server is still waited for'));
    },
  });
  await expect(restoring).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining(`${url} broke off after`),
    cause: { message: 'stalled' },
  });
  expect(await readdir(parent)).toEqual([]);
});
