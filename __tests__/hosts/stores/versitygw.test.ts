/**
 * @needs versitygw
 */
import { cleanEnvironment } from '../../support/run.js';
import { freePort, startServer } from '../../support/start-server.js';
import { KEYS, s3ServerCases } from './s3-server-cases.js';

/** They have segments of more than 255 bytes, which are no names of files. */
const LONG_KEYS = [
  'different keys are different objects',
  'list returns every key exactly as it was stored',
  'list returns the objects whose keys begin with the prefix, and no others',
  'delete removes nothing else',
  'a key that only looks like a stored one is a miss',
];

describe('With versitygw', () => {
  s3ServerCases({
    async start({ directory, defer }) {
      const address = `127.0.0.1:${await freePort()}`;
      const request = {
        command: 'versitygw',
        args: ['--port', address, 'posix', await directory()],
        env: {
          ...cleanEnvironment(),
          ROOT_ACCESS_KEY: KEYS.accessKeyId,
          ROOT_SECRET_KEY: KEYS.secretAccessKey,
        },
      };
      return await startServer(request, defer);
    },
    checksUploads: true,
    checksSignatures: true,
    tooLong: LONG_KEYS,
  });
});
