/**
 * @needs moto
 */
import { cleanEnvironment } from '../../support/run.js';
import { startServer } from '../../support/start-server.js';
import { s3ServerCases } from './s3-server-cases.js';

/**
 * moto checks a condition and writes in two steps. In its threads, of two writers that come at the
 * same time both may win: they come one after the other here.
 */
const MOTO_WITH_ATOMIC_WRITES = `
import sys, threading
from moto.s3.responses import S3Response
from moto.server import main
lock = threading.Lock()
put_object = S3Response.put_object
def put_object_alone(self, *args, **options):
    with lock:
        return put_object(self, *args, **options)
S3Response.put_object = put_object_alone
main(sys.argv[1:])
`;

describe('With moto_server', () => {
  s3ServerCases({
    start({ defer }) {
      const args = ['-c', MOTO_WITH_ATOMIC_WRITES, '-H', '127.0.0.1', '-p', '0'];
      return startServer({ command: 'python3', args, env: cleanEnvironment() }, defer);
    },
    checksUploads: false,
    checksSignatures: false,
  });
});
