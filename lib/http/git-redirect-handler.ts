import { originUrl } from '../config/hosts.js';
import type { SnapshotConfig } from '../config/options.js';
import type { ArtifactHandler } from './exchange.js';

/**
 * `GET info/refs?service=git-upload-pack`, the first request of a clone or fetch: 307 to the upstream's public
 * URL. git follows it, and sends its next requests there (`http.followRedirects` of git-config(1)).
 */
export function createGitRedirectHandler(config: Pick<SnapshotConfig, 'hosts'>): ArtifactHandler {
  return {
    methods: ['GET', 'HEAD'],
    async serve({ res, repository }) {
      const location = `${originUrl(config, repository)}.git/info/refs?service=git-upload-pack`;
      res.writeHead(307, { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 });
      res.end();
    },
  };
}
