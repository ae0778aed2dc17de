import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { type DownloadOptions, type FleetDownload, startDownload } from './fleet-download.js';
import { git, run } from './run.js';
import { temporaryDirectory } from './temporary-directory.js';
import { demand, demandHeader, demandNoBody, readJson, refusal } from './wire-contract.js';

const MIB = 1024 * 1024;

export type Restored = Omit<FleetDownload, 'body'>;

export type BundleOutcome = 'applied' | 'up to date' | 'not available';

export interface WantedOfServer {
  readonly refs?: Readonly<Record<string, string>>;
  readonly commits?: readonly string[];
}

/** The answer of `ensure-refs`, with empty values for the parts that it leaves out. */
export interface EnsuredByServer {
  readonly refs: Readonly<Record<string, string>>;
  readonly missingCommits: readonly string[];
  readonly fetched: boolean;
}

/**
 * An existing client of the fleet, as the wire contract describes it, which insists on every word of the
 * contract. Throws `ContractViolation` for a breach of the contract, and `RequestRefused` for an error that the
 * contract allows.
 */
export class FleetClient {
  readonly #baseUrl: string;
  readonly #options: DownloadOptions;

  /**
   * @param baseUrl what `/git/{host}/{path}` is joined to, without a slash at its end.
   * @param options Default: 8 requests of 16 MiB.
   */
  constructor(baseUrl: string, { chunkBytes = 16 * MIB, concurrency = 8 } = {}) {
    this.#baseUrl = baseUrl;
    this.#options = { chunkBytes, concurrency };
  }

  /**
   * Downloads a repository's snapshot into zstd and tar, in a directory of mode 0700 that is renamed
   * at the end.
   *
   * @param repository `{host}/{path}`
   * @param directory where nothing is yet.
   */
  async restore(repository: string, directory: string): Promise<Restored> {
    await mkdir(dirname(directory), { recursive: true });
    const staging = await mkdtemp(join(dirname(directory), '.restore-'));
    const ends = new AbortController();
    try {
      const url = this.#url(repository, 'snapshot.tar.zst');
      const { body, ...said } = await startDownload(url, this.#options, ends.signal);
      this.#checkBundleUrl(repository, said);
      await extract(body, staging);
      await rename(staging, directory);
      return said;
    } finally {
      ends.abort();
      await rm(staging, { recursive: true, force: true });
    }
  }

  /**
   * Fetches the bundle that a restore named and pulls it. Rejects with git's words when that is no
   * fast-forward, or the default branch has another name by now, and leaves the directory as it was.
   *
   * @param bundleUrl as the header had it.
   * @param directory the restored one.
   */
  async applyBundle(bundleUrl: string, directory: string): Promise<BundleOutcome> {
    const response = await fetch(`${this.#baseUrl}${bundleUrl}`, { redirect: 'error' });
    if (response.status === 204) {
      await demandNoBody(response, '204 when base is HEAD');
      return 'up to date';
    }
    if (response.status === 404) {
      await refusal(response);
      return 'not available';
    }
    if (response.status !== 200) throw await refusal(response);
    const type = 'application/x-git-bundle';
    demandHeader(response, 'content-type', type, '200 application/x-git-bundle');

    const { path, remove } = await temporaryDirectory();
    try {
      const file = join(path, 'bundle');
      await writeFile(file, new Uint8Array(await response.arrayBuffer()));
      const branch = await git(directory, 'symbolic-ref', '--short', 'HEAD');
      const tip = checkBundle(await readStart(file), bundleUrl.slice(-40));
      await git(directory, 'pull', '--quiet', '--ff-only', file, branch);
      const head = await git(directory, 'rev-parse', 'HEAD');
      demand(head === tip, 'Fast-forwards a restored snapshot', { head, tip });
    } finally {
      await remove();
    }
    return 'applied';
  }

  /** @param repository `{host}/{path}` */
  async ensureRefs(repository: string, wanted: WantedOfServer): Promise<EnsuredByServer> {
    const response = await fetch(this.#url(repository, 'ensure-refs'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(wanted),
      redirect: 'error',
    });
    if (response.status >= 400) throw await refusal(response);
    demand(response.status === 200, ENSURED, { status: response.status });
    demandHeader(response, 'content-type', /^application\/json\b/, ENSURED);
    const answer = await readJson(response, ENSURED);
    const { data, error } = ensured.safeParse(answer);
    demand(data !== undefined, ENSURED, error?.issues);
    const { refs = {}, missing_commits: missingCommits = [], fetched } = data;
    const asked = Object.keys(wanted.refs ?? {}).sort();
    demand(String(Object.keys(refs).sort()) === String(asked), 'an unresolved ref is ""', answer);
    demand('refs' in data === asked.length > 0, LEFT_OUT, answer);
    demand('missing_commits' in data === missingCommits.length > 0, LEFT_OUT, answer);
    const isAsked = (commit: string) => wanted.commits?.includes(commit) ?? false;
    demand(missingCommits.every(isAsked), ENSURED, answer);
    return { refs, missingCommits, fetched };
  }

  #url(repository: string, artifact: string): string {
    return `${this.#baseUrl}/git/${repository}/${artifact}`;
  }

  #checkBundleUrl(repository: string, { bundleUrl, commit }: Restored): void {
    if (bundleUrl === undefined) return;
    const expected = `/git/${repository}/snapshot.bundle?base=${commit}`;
    demand(
      bundleUrl === expected,
      'X-Cachew-Bundle-Url: /git/{host}/{path}/snapshot.bundle?base={sha}',
      bundleUrl,
    );
  }
}

const ENSURED = '200 {"refs": {…}, "missing_commits": […], "fetched": true|false}';
const LEFT_OUT = 'refs and missing_commits are left out when empty';
const sha = z.string().regex(/^[0-9a-f]{40}$/);
const ensured = z.strictObject({
  refs: z.record(z.string(), z.union([sha, z.literal('')])).optional(),
  missing_commits: z.array(z.string()).optional(),
  fetched: z.boolean(),
});

/** Stops both programs when the download fails, and tells why it did. */
async function extract(body: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
  const failed = new AbortController();
  const input = Readable.from(body);
  input.once('error', (error) => failed.abort(error));
  const script = 'set -o pipefail; zstd -dc | tar -xpf - -C "$1"';
  try {
    await run('bash', ['-c', script, 'bash', directory], { input, signal: failed.signal });
  } catch (error) {
    throw input.errored ?? error;
  } finally {
    input.destroy();
  }
}

/** @returns the commit that the bundle leads to. */
function checkBundle(start: string, base: string): string {
  const lines = start.slice(0, Math.max(0, start.indexOf('\n\n'))).split('\n');
  demand(lines[0] === '# v2 git bundle', 'v2 bundle', lines[0]);
  const prerequisites = lines.filter((line) => line.startsWith('-'));
  const isBase = prerequisites.length === 1 && prerequisites[0]?.slice(1, 41) === base;
  demand(isBase, 'with prerequisite -{base}', prerequisites);
  const refs = lines.slice(1).filter((line) => !line.startsWith('-'));
  const tip = refs.find((line) => line.slice(41).startsWith('refs/heads/'))?.slice(0, 40);
  demand(tip !== undefined, 'the ref refs/heads/{default branch}', refs);
  return tip;
}

/** More than the header of a bundle of one branch takes. */
async function readStart(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(64 * 1024));
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
