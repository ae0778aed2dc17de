import type { Request } from 'express';
import { checkOptions } from '../check-options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { Activity } from './activity.js';
import type { StatusPageAction } from './messages.js';
import { actionsSchema, type ShownService, type StatusPageConfig } from './schema.js';

/** Actions that run at once. */
const MAX_RUNNING = 100;

/** The actions that the host app allows a visitor. */
export async function allowedActions(
  { actions }: Pick<StatusPageConfig, 'actions'>,
  req: Request,
): Promise<readonly StatusPageAction[]> {
  if (typeof actions !== 'function') return actions;
  return checkOptions(actionsSchema, await actions(req), 'actions');
}

/** Runs actions in the background. The page shows that they run, and their failures. */
export class Actions {
  readonly #service: ShownService;
  readonly #activity: Activity;
  readonly #closing: AbortSignal;
  readonly #running = new Set<string>();

  constructor(service: ShownService, activity: Activity, closing: AbortSignal) {
    this.#service = service;
    this.#activity = activity;
    this.#closing = closing;
  }

  /**
   * Begins an action, unless it is running already.
   *
   * @throws SnapshotError `OVERLOADED`, `CLOSED`
   */
  begin(action: StatusPageAction, repository: RepositoryId): void {
    this.#closing.throwIfAborted();
    const key = `${action} ${repositoryKey(repository)}`;
    if (this.#running.has(key)) return;
    if (this.#running.size >= MAX_RUNNING) {
      throw new SnapshotError('OVERLOADED', 'too many actions of the status page run');
    }
    this.#running.add(key);
    void this.#run(action, repository).finally(() => this.#running.delete(key));
  }

  async #run(action: StatusPageAction, repository: RepositoryId): Promise<void> {
    const end = this.#activity.act(repository, action);
    const options = { signal: this.#closing };
    try {
      if (action === 'refresh') await this.#service.refresh(repository, options);
      else await this.#service.purge(repository, options);
    } catch (error) {
      if (this.#closing.aborted) return;
      this.#activity.fail(repository, action, toSnapshotError(error, repository));
    } finally {
      end();
    }
  }
}
