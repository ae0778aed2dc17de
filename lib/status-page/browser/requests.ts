import {
  ACTION_HEADER,
  type RepositoryPage,
  type Start,
  type StatusPageAction,
} from '../messages.js';

/** A request that failed, with a sentence for the visitor. */
export class RequestFailure extends Error {
  /** Whether the host app wants the visitor to sign in again. */
  readonly isSignedOut: boolean;

  constructor(message: string, isSignedOut = false) {
    super(message);
    this.isSignedOut = isSignedOut;
  }
}

export async function getStart(): Promise<Start> {
  return (await request('api/start')) as Start;
}

export async function getRepositories(
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<RepositoryPage> {
  return (await request(`api/repositories?${query}`, { signal })) as RepositoryPage;
}

export async function act(action: StatusPageAction, name: string): Promise<void> {
  const query = new URLSearchParams({ repository: name });
  const headers = { [ACTION_HEADER]: action };
  await request(`api/${action}?${query}`, { method: 'POST', headers });
}

async function request(url: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(url, {
    ...init,
    headers: { Accept: 'application/json', ...init.headers },
    cache: 'no-store',
    redirect: 'manual',
  }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new RequestFailure('The server does not answer.');
  });
  const isJson = /^application\/(problem\+)?json\b/.test(
    response.headers.get('content-type') ?? '',
  );
  if (response.status === 401 || response.type === 'opaqueredirect' || (response.ok && !isJson)) {
    throw new RequestFailure('You are signed out. Reload the page to sign in.', true);
  }
  if (response.ok) return await response.json();
  const problem = isJson ? ((await response.json()) as { title?: string; detail?: string }) : {};
  const { title = `The server answers with the status ${response.status}.`, detail } = problem;
  throw new RequestFailure(detail === undefined ? title : `${title} (${detail})`);
}
