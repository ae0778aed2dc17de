import { register } from 'node:module';

/*
 * An S3-compatible server for trials: fauxqs, which has everything in memory, on a free port, until the process
 * is stopped or its standard input ends. Says in one line of JSON how to reach it.
 */

// fauxqs loads SQLite also where it keeps nothing on disk, and Node 20 has none.
const NO_SQLITE = 'data:text/javascript,export class DatabaseSync {}';
const HOOKS = `export async function resolve(name, context, next) {
  return name === 'node:sqlite' ? { url: '${NO_SQLITE}', shortCircuit: true } : next(name, context);
}`;
register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);

const { startFauxqs } = await import('fauxqs');
const { port } = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false });
const credentials = { accessKeyId: 'trial', secretAccessKey: 'secret' };
console.log(
  JSON.stringify({ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', credentials }),
);
process.stdin.once('end', () => process.exit()).resume();
