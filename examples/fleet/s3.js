import { startFauxqs } from 'fauxqs';

/*
 * An S3-compatible server for trials: fauxqs, which keeps all objects in memory. It listens on a free port until
 * the process is stopped or its standard input ends. Prints one line of JSON: how to reach the server.
 */

const { port } = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false });
const credentials = { accessKeyId: 'trial', secretAccessKey: 'secret' };
console.log(
  JSON.stringify({ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', credentials }),
);
process.stdin.once('end', () => process.exit()).resume();
