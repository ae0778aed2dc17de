import { createHash } from 'node:crypto';
import { chmod, lutimes, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { encodeDigestFrame } from '../../lib/archive/digest-frame.js';
import { seededBytes } from '../support/random.js';
import { run, runBinary } from '../support/run.js';

const SECONDS = 1_600_000_000;

/** Entries that a git tree may hold and a restore may get wrong. Each has a time of its own. */
export async function writeSampleTree(root: string): Promise<void> {
  let mtime = SECONDS;
  const place = (name: string) => Buffer.from(`${root}/${name}`, 'latin1');
  const directories: Buffer[] = [];
  const file = async (name: string, content: string | Buffer, mode = 0o644) => {
    await writeFile(place(name), content);
    await chmod(place(name), mode);
    await utimes(place(name), ++mtime, mtime);
  };
  const directory = async (name: string, mode = 0o755) => {
    await mkdir(place(name), mode);
    await chmod(place(name), mode);
    directories.push(place(name));
  };
  const link = async (name: string, target: string) => {
    await symlink(Buffer.from(target, 'latin1'), place(name));
    await lutimes(place(name), ++mtime, mtime);
  };

  await directory('.git');
  await file('.git/HEAD', 'ref: refs/heads/main\n');
  await directory('src');
  await file('src/index.js', 'export {};\n');
  await file('src/run.sh', '#!/bin/sh\n', 0o755);
  await file('src/private', 'secret\n', 0o600);
  await file('src/read-only', 'fixed\n', 0o444);
  await file('src/empty', '');
  await file('src/just-one-block', seededBytes('block', 512));
  await file('src/several-blocks', seededBytes('blocks', 300_001), 0o777);
  await file('src/before-1970', 'old\n');
  await utimes(place('src/before-1970'), new Date(-86_400_000), new Date(-86_400_000));
  await directory('empty', 0o700);
  await directory('empty/within');
  await link('to-file', 'src/index.js');
  await link('to-directory', 'src');
  await link('dangling', 'no/such/file');
  await link('absolute', '/etc/passwd');
  await link('escaping', '../../outside');
  await link('long', `${'x/'.repeat(150)}end`);
  await link('bytes', 'caf\xe9');
  const umlauts = Buffer.from('grün/übergrößenträger').toString('latin1');
  await directory(Buffer.from('grün').toString('latin1'));
  await file(umlauts, 'ä\n');
  await file('latin-1-\xe9\xff', 'not UTF-8\n');
  await file('line\nfeed', 'two lines\n');
  await file('back\\slash: *?', 'legal here\n');
  const deep = Array.from({ length: 6 }, (_, i) => `directory-${i}-${'d'.repeat(40)}`);
  for (let i = 1; i <= deep.length; i++) await directory(deep.slice(0, i).join('/'));
  await file(`${deep.join('/')}/file-${'f'.repeat(40)}`, '300 characters\n');
  await file(`${'n'.repeat(255)}`, 'long name\n');
  await file(
    `${Buffer.from('ü'.repeat(60)).toString('latin1')}\n${'n'.repeat(80)}`,
    'needs pax or GNU, and has a line feed\n',
  );
  for (const path of directories.reverse()) await utimes(path, ++mtime, mtime);
  await utimes(root, ++mtime, mtime);
}

/** A tar archive of a directory's content, made by GNU tar. */
export function tarOf(directory: string, ...options: string[]): Promise<Buffer> {
  const args = ['--sort=name', '--owner=0', '--group=0', ...options, '-cf', '-', '.'];
  return runBinary('tar', args, { cwd: directory });
}

export function zstd(input: Buffer, ...options: string[]): Promise<Buffer> {
  return runBinary('zstd', ['-q', '-c', ...options], { input });
}

/** Several frames, each with a checksum. */
export async function zstdFrames(input: Buffer, frameBytes: number): Promise<Buffer> {
  const frames: Buffer[] = [];
  for (let at = 0; at < input.length; at += frameBytes) {
    frames.push(await zstd(input.subarray(at, at + frameBytes), '-1'));
  }
  return Buffer.concat(frames);
}

/** One frame of raw blocks without a checksum, as snapshots have for packs. */
export function rawFrame(input: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3])];
  const blockBytes = 128 * 1024;
  for (let at = 0; at < input.length; at += blockBytes) {
    const block = input.subarray(at, at + blockBytes);
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | Number(at + blockBytes >= input.length), 0, 3);
    parts.push(header, block);
  }
  return Buffer.concat(parts);
}

export function withDigest(archive: Buffer): Buffer {
  const digest = createHash('sha256').update(archive).digest();
  return Buffer.concat([archive, encodeDigestFrame(digest)]);
}

/** Extracts with GNU tar, under the umask. */
export async function extractWithTar(archive: Buffer, directory: string): Promise<void> {
  await run('sh', ['-c', 'zstd -dcq | tar --no-same-owner --no-same-permissions -xf -'], {
    cwd: directory,
    input: archive,
  });
}
