/**
 * @needs swift
 * @one-node-version
 */
import { S3Store } from '../../../lib/stores/s3/index.js';
import { assertContent, contentOf, put } from '../../../lib/testing/store-content.js';
import { serverCases } from '../../stores/s3/server-cases.js';

const MIB = 1024 * 1024;

serverCases('swift', ({ makeBucket, client }) => {
  test('With a server that has no conditional writes, the store looks before it replaces something', async () => {
    const bucket = await makeBucket();
    for (const size of [1000, 5 * MIB, 6 * MIB]) {
      const asking = new S3Store({ bucket, client: client(), partSize: 5 * MIB });
      const { revision } = await put(asking, 'key', contentOf('old', size));
      await put(asking, 'key', contentOf('new', size), {}, { ifRevision: revision });
      const late = put(asking, 'key', contentOf('newer', size), {}, { ifRevision: revision });
      await expect(late).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
      await assertContent(asking, 'key', contentOf('new', size));
    }
  });

  test('A presigned URL has the wanted type and name', async () => {
    const store = new S3Store({ bucket: await makeBucket(), client: client() });
    await put(store, 'key', contentOf('a'));
    const url = await store.presign('key', {
      expiresIn: 60,
      contentType: 'application/zstd',
      contentDisposition: 'attachment; filename="snapshot.tar.zst"',
    });
    const { headers } = await fetch(url ?? '');
    expect(headers.get('content-type')).toBe('application/zstd');
    expect(headers.get('content-disposition')).toContain('snapshot.tar.zst');
  });
});
