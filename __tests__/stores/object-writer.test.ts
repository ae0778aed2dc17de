import { setImmediate } from 'node:timers/promises';
import { newVersion, TargetWriter, type WriteTarget } from '../../lib/stores/object-writer.js';

/** Records its calls. Steps can be replaced by ones that fail or hang. */
class RecordingTarget implements WriteTarget {
  readonly calls: string[] = [];
  readonly #steps: Partial<Record<keyof WriteTarget, () => Promise<void>>>;

  constructor(steps: Partial<Record<keyof WriteTarget, () => Promise<void>>> = {}) {
    this.#steps = steps;
  }

  async append(): Promise<void> {
    await this.#run('append');
  }

  async publish() {
    await this.#run('publish');
    return { key: 'key', size: 0, metadata: {}, expendable: false, ...newVersion() };
  }

  async discard(): Promise<void> {
    await this.#run('discard');
  }

  async #run(step: keyof WriteTarget): Promise<void> {
    this.calls.push(step);
    await this.#steps[step]?.();
  }
}

const fail = (message: string) => async () => {
  throw new Error(message);
};

const chunk = new Uint8Array(1);

test('A write that failed cannot be committed', async () => {
  const target = new RecordingTarget({ append: fail('disk') });
  const writer = new TargetWriter(target, undefined);
  await expect(writer.write(chunk)).rejects.toThrow('disk');
  await expect(writer.commit()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await writer.abort();
  expect(target.calls).toEqual(['append', 'discard']);
});

test('A commit that failed is discarded, and reports the first failure', async () => {
  const target = new RecordingTarget({ publish: fail('disk'), discard: fail('also') });
  const writer = new TargetWriter(target, undefined);
  await expect(writer.commit()).rejects.toThrow('disk');
  await writer.abort();
  expect(target.calls).toEqual(['publish', 'discard']);
});

test('An abort that fails rejects', async () => {
  const writer = new TargetWriter(new RecordingTarget({ discard: fail('disk') }), undefined);
  await expect(writer.abort()).rejects.toThrow('disk');
});

test('A discard that fails after the signal aborted is reported by abort', async () => {
  const controller = new AbortController();
  const target = new RecordingTarget({ discard: fail('disk') });
  const writer = new TargetWriter(target, controller.signal);
  controller.abort(new Error('stop'));
  await expect(writer.write(chunk)).rejects.toThrow('stop');
  await expect(writer.abort()).rejects.toThrow('disk');
  expect(target.calls).toEqual(['discard']);
});

test.each(['succeeds', 'fails'])(
  'A write in progress that %s after the signal aborted rejects with the reason of the signal',
  async (end) => {
    const controller = new AbortController();
    const append = async () => {
      controller.abort(new Error('stop'));
      if (end === 'fails') throw new Error('closed');
    };
    const target = new RecordingTarget({ append });
    const writer = new TargetWriter(target, controller.signal);
    await expect(writer.write(chunk)).rejects.toThrow('stop');
    expect(target.calls).toEqual(['append', 'discard']);
  },
);

test('A signal that has aborted before discards at once', async () => {
  const target = new RecordingTarget();
  const writer = new TargetWriter(target, AbortSignal.abort(new Error('stop')));
  await expect(writer.commit()).rejects.toThrow('stop');
  await writer.abort();
  expect(target.calls).toEqual(['discard']);
});

test('A commit that has begun is finished, in spite of the signal and abort', async () => {
  const controller = new AbortController();
  const target = new RecordingTarget({ publish: () => setImmediate() });
  const writer = new TargetWriter(target, controller.signal);
  const committing = writer.commit();
  controller.abort();
  const aborting = writer.abort();
  expect(await committing).toMatchObject({ key: 'key' });
  await aborting;
  expect(target.calls).toEqual(['publish']);
});
