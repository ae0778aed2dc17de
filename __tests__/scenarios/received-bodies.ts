import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { DIGEST_FRAME_BYTES, decodeDigestFrame } from '../../lib/archive/digest-frame.js';
import { execute } from '../support/run.js';

interface Body {
  readonly etag: string;
  readonly digest: string;
  readonly file: string;
}

interface Bundle extends Body {
  readonly base: string;
}

const CONCURRENT_CHECKS = 3;

/** Uses a snapshot as a user does. Fails when git finds anything missing, broken or changed in it. */
const CHECK_SNAPSHOT = `
set -euo pipefail
mkdir "$2" && zstd -qdc "$1" | tar -xpf - -C "$2" && cd "$2"
report=$(git fsck --full --strict --no-progress 2>&1) || { echo "fsck: $report"; exit 1; }
! grep -E '^(missing|broken|error)' <<<"$report"
status=$(git status --porcelain)
[ -z "$status" ] || { echo "status: $status"; exit 1; }
`;

/** Pulls a bundle into a snapshot that is at its base. */
const CHECK_BUNDLE = `
set -euo pipefail
mkdir "$3" && zstd -qdc "$2" | tar -xpf - -C "$3" && cd "$3"
git bundle verify --quiet "$1"
git fetch --quiet "$1" '+refs/heads/*:refs/bundle/*'
git fsck --connectivity-only --no-progress --no-dangling
`;

/**
 * The complete bodies that clients received, by ETag. A tag must always stand for the same bytes, and git must
 * accept each body.
 */
export class ReceivedBodies {
  readonly #directory: string;
  readonly #snapshots = new Map<string, Body>();
  readonly #bundles = new Map<string, Bundle>();
  /** By the commit that it checks out. */
  readonly #wholeHistories = new Map<string, Body>();
  #made = 0;

  /** @param directory for files. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get count(): { snapshots: number; bundles: number } {
    return { snapshots: this.#snapshots.size, bundles: this.#bundles.size };
  }

  /** @param commit that is checked out, with the whole history: a base for bundles. */
  async addSnapshot(etag: string, bytes: Buffer, commit: string | undefined): Promise<void> {
    const content = bytes.subarray(0, -DIGEST_FRAME_BYTES);
    const said = decodeDigestFrame(bytes.subarray(-DIGEST_FRAME_BYTES));
    if (said === undefined || !said.equals(createHash('sha256').update(content).digest())) {
      throw new Error(`the snapshot ${etag} of ${bytes.length} bytes is not whole`);
    }
    const body = await this.#add(this.#snapshots, etag, bytes, {});
    if (commit !== undefined) this.#wholeHistories.set(commit, body);
  }

  async addBundle(etag: string, bytes: Buffer, base: string): Promise<void> {
    await this.#add(this.#bundles, etag, bytes, { base });
  }

  /** Has git check each of them. @returns what it found. */
  async check(): Promise<string[]> {
    const limit = pLimit(CONCURRENT_CHECKS);
    const run = async (what: string, script: string, ...args: string[]) => {
      const { code, stdout, stderr } = await execute('bash', ['-c', script, 'bash', ...args]);
      return code === 0 ? [] : [`${what}: ${stdout}${stderr}`];
    };
    const snapshots = Array.from(this.#snapshots.values(), ({ etag, file }) =>
      limit(() => run(`snapshot ${etag}`, CHECK_SNAPSHOT, file, `${file}.checkout`)),
    );
    const bundles = Array.from(this.#bundles.values(), ({ etag, file, base }) => {
      const snapshot = this.#wholeHistories.get(base)?.file ?? 'none';
      return limit(() => run(`bundle ${etag}`, CHECK_BUNDLE, file, snapshot, `${file}.checkout`));
    });
    return (await Promise.all([...snapshots, ...bundles])).flat();
  }

  async #add<Extra extends object>(
    bodies: Map<string, Body & Extra>,
    etag: string,
    bytes: Buffer,
    extra: Extra,
  ): Promise<Body> {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const known = bodies.get(etag);
    if (known !== undefined) {
      if (known.digest !== digest) throw new Error(`${etag} stands for different bytes`);
      return known;
    }
    const file = join(this.#directory, `body-${this.#made++}`);
    const body = { ...extra, etag, digest, file };
    bodies.set(etag, body);
    await writeFile(file, bytes);
    return body;
  }
}
