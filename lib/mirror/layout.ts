import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SnapshotError } from '../errors.js';
import { quoteConfigValue } from '../git/config.js';
import {
  encodeHead,
  encodePackedRefs,
  type Head,
  parseHead,
  parsePackedRefs,
  type Ref,
} from '../git/refs.js';
import type { RepositoryId } from '../repository/identity.js';

/*
 * A mirror on disk: a bare repository that git accepts (gitrepository-layout(5)), with one file of
 * ours that says which repository it is a mirror of and which packs are its own. That file is
 * written last: a directory without it is no mirror.
 */
const OUR_FILE = 'express-git-snapshot.json';
const OUR_VERSION = 1;

export interface MirrorContent {
  readonly repository: RepositoryId;
  /** Where it was fetched from; no credentials. */
  readonly upstreamUrl: string;
  readonly head: Head;
  readonly refs: readonly Ref[];
  /** Names without ending, in the order in which they came. */
  readonly packs: readonly string[];
}

export interface MirrorDescription {
  readonly repository: RepositoryId;
  readonly packs: readonly string[];
}

export function packDirectory(mirror: string): string {
  return join(mirror, 'objects', 'pack');
}

/** Makes the directories that git wants, so that packs can arrive. */
export async function createMirrorDirectories(mirror: string): Promise<void> {
  await mkdir(packDirectory(mirror), { recursive: true });
  await mkdir(join(mirror, 'refs'), { recursive: true });
}

/**
 * Writes everything but the packs; the refs after the objects they name, and our file last.
 *
 * Synchronous, as is the reading of refs: only for worker threads. A thread that is ended while it
 * opens a file asynchronously leaks the descriptor.
 */
export function writeMirror(mirror: string, content: MirrorContent): void {
  writeFileSync(join(mirror, 'config'), config(content.upstreamUrl));
  writeFileSync(join(mirror, 'packed-refs'), encodePackedRefs(content.refs));
  writeFileSync(join(mirror, 'HEAD'), encodeHead(content.head));
  const { repository, packs } = content;
  const ours = JSON.stringify({ version: OUR_VERSION, repository, packs }, undefined, 2);
  writeFileSync(join(mirror, OUR_FILE), `${ours}\n`);
}

/**
 * @throws SnapshotError `INTERNAL` when the directory holds no mirror of ours.
 */
export async function readMirrorDescription(mirror: string): Promise<MirrorDescription> {
  const data: unknown = JSON.parse(await readFile(join(mirror, OUR_FILE), 'utf8'));
  if (!isDescription(data)) throw new SnapshotError('INTERNAL', `${mirror} is not a mirror`);
  return data;
}

/** @throws SnapshotError `INTERNAL` when the files are damaged. */
export function readMirrorRefs(mirror: string): { head: Head; refs: Ref[] } {
  const refs = parsePackedRefs(readFileSync(join(mirror, 'packed-refs'), 'utf8'));
  return { refs, head: parseHead(readFileSync(join(mirror, 'HEAD'), 'utf8'), refs) };
}

function config(upstreamUrl: string): string {
  return [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = true',
    '[remote "origin"]',
    `\turl = ${quoteConfigValue(upstreamUrl)}`,
    '\tfetch = +refs/heads/*:refs/heads/*',
    '\tfetch = +refs/tags/*:refs/tags/*',
    '',
  ].join('\n');
}

function isDescription(data: unknown): data is MirrorDescription {
  if (typeof data !== 'object' || data === null) return false;
  if (!('version' in data && 'repository' in data && 'packs' in data)) return false;
  const { version, repository, packs } = data;
  return (
    version === OUR_VERSION &&
    typeof repository === 'object' &&
    repository !== null &&
    'host' in repository &&
    typeof repository.host === 'string' &&
    'path' in repository &&
    typeof repository.path === 'string' &&
    Array.isArray(packs) &&
    packs.every((name) => typeof name === 'string' && /^pack-[0-9a-f]{40}$/.test(name))
  );
}
