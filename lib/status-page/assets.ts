import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SnapshotError } from '../errors.js';

const TYPES = {
  'page.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export type AssetName = keyof typeof TYPES;

interface Asset {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** The files of the page, in memory. */
export class Assets {
  readonly #assets: Readonly<Record<AssetName, Asset>>;

  /** @throws SnapshotError `INVALID_OPTIONS` when the files are not there, as in a bundle. */
  constructor() {
    this.#assets = {
      'page.html': readAsset('page.html'),
      'page.css': readAsset('page.css'),
      'page.js': readAsset('page.js'),
      'icon.svg': readAsset('icon.svg'),
    };
  }

  send(req: IncomingMessage, res: ServerResponse, name: AssetName): void {
    const { bytes, etag } = this.#assets[name];
    // The name does not change with the content, so browsers ask each time.
    res.setHeader('Cache-Control', 'no-cache');
    res.setHeader('ETag', etag);
    if (req.headers['if-none-match'] === etag) {
      res.writeHead(304).end();
      return;
    }
    res.writeHead(200, { 'Content-Type': TYPES[name], 'Content-Length': bytes.length });
    res.end(req.method === 'HEAD' ? undefined : bytes);
  }
}

export function isAsset(name: string): name is AssetName {
  return Object.hasOwn(TYPES, name);
}

function readAsset(name: AssetName): Asset {
  try {
    const bytes = readFileSync(new URL(`./page/${name}`, import.meta.url));
    const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
    return { bytes, etag: `"${hash}"` };
  } catch (cause) {
    const message =
      'express-git-snapshot lacks the files of its status page, as in a bundle: tell the bundler to ' +
      "leave the package out (external: ['express-git-snapshot']), and install it beside the bundle";
    throw new SnapshotError('INVALID_OPTIONS', message, { cause });
  }
}
