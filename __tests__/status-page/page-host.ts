import { once } from 'node:events';
import { createServer, type IncomingMessage, get as requestHttp } from 'node:http';
import type express5 from 'express';
import type { RequestHandler } from 'express';
import { createStatusPage, type StatusPageOptions } from '../../lib/status-page/index.js';
import { EXPRESS, type ExpressVersion } from '../http/test-server.js';
import { door } from '../support/door.js';
import { listen } from '../support/listen.js';
import type { Cleanup } from '../support/temporary-directory.js';
import type { ShownService } from './shown-service.js';

export interface PageHost {
  /** The URL of the page, with a slash at its end. */
  readonly url: string;
  readonly page: ReturnType<typeof createStatusPage>;
  readonly log: string[];
  /** Resolves when the first line is logged. */
  readonly logged: Promise<void>;
  get(path: string, init?: RequestInit): Promise<Response>;
  /** The JSON of a 200. */
  json(path: string): Promise<ReturnType<typeof JSON.parse>>;
  /** Opens the stream of events. */
  events(): Promise<EventReader>;
}

interface PageHostOptions extends StatusPageOptions {
  readonly version?: ExpressVersion;
  readonly mount?: string;
  readonly before?: RequestHandler[];
}

/** An Express app with a status page and, after it, a route of its own that answers 418. */
export async function startPage(
  service: ShownService,
  defer: Cleanup['defer'],
  { version = 'Express 5', mount = '/admin/status', before = [], ...options }: PageHostOptions = {},
): Promise<PageHost> {
  const log: string[] = [];
  const [logged, open] = door();
  const write = (_fields: object, message: string) => {
    log.push(message);
    open();
  };
  const logger = { warn: write, error: write };
  const page = createStatusPage(service.shown, { logger, ...options });
  defer(() => page.close());
  const app: ReturnType<typeof express5> = EXPRESS[version]();
  for (const middleware of before) app.use(middleware);
  app.use(mount, page);
  app.use((_req, res) => void res.status(418).send('host app'));
  const origin = await listen(createServer(app), defer);
  const url = `${origin}${mount === '/' ? '' : mount}/`;
  const get = (path: string, init: RequestInit = {}) =>
    fetch(url + path, { redirect: 'manual', ...init });
  return {
    url,
    page,
    log,
    logged,
    get,
    async json(path) {
      const response = await get(path);
      if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
      return await response.json();
    },
    events: () => openEvents(`${url}api/events`),
  };
}

/** Reads server-sent events, one after the other. */
export class EventReader {
  readonly response: IncomingMessage;
  readonly #events: AsyncGenerator<{ event: string; data: ReturnType<typeof JSON.parse> }>;

  constructor(response: IncomingMessage) {
    this.response = response;
    this.#events = parse(response);
  }

  /** The data of the next event of this kind that is wanted; `undefined` if the stream ends before. */
  async next(
    kind: string,
    isWanted: (data: ReturnType<typeof JSON.parse>) => boolean = () => true,
  ) {
    for (;;) {
      const { value, done } = await this.#events.next();
      if (done) return undefined;
      if (value.event === kind && isWanted(value.data)) return value.data;
    }
  }
}

async function openEvents(url: string): Promise<EventReader> {
  const request = requestHttp(url, { agent: false });
  const [response]: IncomingMessage[] = await once(request, 'response');
  if (response === undefined) throw new Error('no response');
  request.on('error', () => {}); // a cut stream is an error of both
  return new EventReader(response);
}

async function* parse(response: IncomingMessage) {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const message = text.slice(0, end);
      text = text.slice(end + 2);
      const event = /^event: (.*)$/m.exec(message)?.[1];
      const data = /^data: (.*)$/m.exec(message)?.[1];
      if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) };
    }
  }
}
