#!/usr/bin/env node
import { run } from './run.js';
import { ENDING_SIGNALS, Interrupted } from './surroundings.js';

const [stop, hurry] = [new AbortController(), new AbortController()];
for (const name of ENDING_SIGNALS) {
  process.on(name, () => {
    const interrupted = new Interrupted(name);
    if (!stop.signal.aborted) stop.abort(interrupted);
    else if (!hurry.signal.aborted) hurry.abort(interrupted);
    else process.exit(interrupted.exitCode);
  });
}

const { stdout, stderr, env: environment } = process;
// A reader that has gone, such as `head`, must not end the work.
for (const stream of [stdout, stderr]) stream.on('error', () => {});

process.exitCode = await run(process.argv.slice(2), {
  stdout,
  stderr,
  environment,
  stop: stop.signal,
  hurry: hurry.signal,
});
