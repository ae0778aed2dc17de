/**
 * @one-node-version
 */
import type {
  ConnectionOptions,
  DownloadError,
  EnsuredRefs,
  EnsureRefsOptions,
  ExtractOptions,
  ExtractResult,
  RestoreOptions,
  RestoreResult,
  SnapshotError,
} from '../../lib/client/index.js';
import { codeSpans, readPage, readTable } from './markdown.js';

/** The compiler holds these against the code: no name too many and none too few. */
const EXTRACT_OPTIONS: Record<keyof ExtractOptions, true> = {
  onProgress: true,
  maxBytes: true,
  maxEntries: true,
  onUnsupported: true,
  signal: true,
};
const CONNECTION_OPTIONS: Record<keyof ConnectionOptions, true> = {
  headers: true,
  agent: true,
  retryTimeout: true,
};
const RESTORE_OPTIONS: Record<keyof RestoreOptions, true> = {
  ...EXTRACT_OPTIONS,
  ...CONNECTION_OPTIONS,
  url: true,
  directory: true,
  force: true,
};
const ENSURE_REFS_OPTIONS: Record<keyof EnsureRefsOptions, true> = {
  ...CONNECTION_OPTIONS,
  url: true,
  refs: true,
  commits: true,
  signal: true,
};
const ENSURED_REFS: Record<keyof EnsuredRefs, true> = {
  refs: true,
  missingCommits: true,
  fetched: true,
};
const ERROR: Record<Exclude<keyof DownloadError, keyof SnapshotError>, true> = {
  status: true,
  remoteCode: true,
};
const EXTRACT_RESULT: Record<keyof ExtractResult, true> = {
  receivedBytes: true,
  files: true,
  verified: true,
  collisions: true,
  skipped: true,
};
const RESTORE_RESULT: Record<keyof RestoreResult, true> = {
  outcome: true,
  commit: true,
  ...EXTRACT_RESULT,
};

test.each([
  ['docs/api.md', 'restoreSnapshot(options)', RESTORE_OPTIONS],
  ['docs/api.md', 'extractSnapshot(stream, directory, options)', EXTRACT_OPTIONS],
  ['docs/api.md', 'ensureRefs(options)', ENSURE_REFS_OPTIONS],
  ['docs/errors.md', 'DownloadError', ERROR],
])('The page %s lists every name below "%s"', async (page, heading, names) => {
  const { rows } = await readTable(page, heading);
  expect(rows.map(([name = '']) => codeSpans(name)[0]).sort()).toEqual(Object.keys(names).sort());
});

test.each([RESTORE_RESULT, EXTRACT_RESULT, ENSURED_REFS])(
  'The page of the API shows the result %j',
  async (result) => {
    const page = await readPage('docs/api.md');
    expect(page).toContain(`resolves with \`{ ${Object.keys(result).join(', ')} }\``);
  },
);
