import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Program } from '../program.js';
import type { UpstreamOrders } from '../programs/upstream.js';
import type { Scope } from '../scope.js';
import type { Repository } from './repository.js';

/** The git host: `git http-backend` behind a server in a process of its own. */
export class UpstreamServer {
  readonly url: string;
  readonly #root: string;
  #published = 0;

  private constructor(url: string, root: string) {
    this.url = url;
    this.#root = root;
  }

  static async start(scope: Scope): Promise<UpstreamServer> {
    const root = await scope.directory();
    const program = await Program.start<UpstreamOrders>('upstream', { argument: { root } });
    scope.defer(() => program.stop());
    return new UpstreamServer(await program.order('url'), root);
  }

  /** Serves a repository at a path that nobody has asked for before. @returns the path. */
  async publish(repository: Repository): Promise<string> {
    const path = `bench-${++this.#published}/${repository.name}`;
    const link = this.#link(path);
    await mkdir(dirname(link));
    await symlink(repository.directory, link);
    return path;
  }

  async withdraw(path: string): Promise<void> {
    await rm(dirname(this.#link(path)), { recursive: true });
  }

  #link(path: string): string {
    return join(this.#root, `${path}.git`);
  }
}
