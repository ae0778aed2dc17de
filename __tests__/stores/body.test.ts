import { Readable } from 'node:stream';
import { chunksOf, endBody, fileBody } from '../../lib/stores/body.js';
import { PushedBody } from '../../lib/stores/pushed-body.js';

const CHUNK = Buffer.from('chunk');

async function read(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

describe('The chunks of a body', () => {
  test('end a body that hangs when the signal aborts', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const body = new Readable({ read() {} });
    const reading = read(chunksOf(body, controller.signal));
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(body.destroyed).toBe(true);
  });

  test('end a body whose reader stops', async () => {
    let hasEnded = false;
    const body = async function* () {
      try {
        for (;;) yield CHUNK;
      } finally {
        hasEnded = true;
      }
    };
    for await (const _ of chunksOf(body(), undefined)) break;
    await Promise.resolve();
    expect(hasEnded).toBe(true);
  });

  test('fail as the body does', async () => {
    const error = new Error('it broke');
    const body = async function* () {
      yield CHUNK;
      throw error;
    };
    await expect(read(chunksOf(body(), undefined))).rejects.toBe(error);
  });
});

test('A body that nobody has read can be ended, more than once', () => {
  const body = Readable.from([CHUNK]);
  for (let round = 0; round < 2; round += 1) endBody(body);
  expect(body.destroyed).toBe(true);
});

test('A file that is missing fails its reader, and nobody else', async () => {
  const body = fileBody('/no/such/file');
  await expect(read(body)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('A pushed chunk is used until its reader asks for the next one', async () => {
  const body = new PushedBody();
  const chunks = body[Symbol.asyncIterator]();
  let isTaken = false;
  const pushing = body.push(CHUNK).then(() => {
    isTaken = true;
  });
  expect(await chunks.next()).toEqual({ done: false, value: CHUNK });
  expect(isTaken).toBe(false);
  const next = chunks.next();
  await pushing;
  body.end();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('A pushed body that fails fails its reader, even while it uses a chunk', async () => {
  const error = new Error('it broke');
  for (const isUsed of [false, true]) {
    const body = new PushedBody();
    const chunks = body[Symbol.asyncIterator]();
    if (isUsed) {
      void body.push(CHUNK);
      await chunks.next();
    }
    body.fail(error);
    await expect(chunks.next()).rejects.toBe(error);
  }
});
