/*
 * The common part of the hosts in this folder. A host prints `listening PORT` when it serves. It ends after SIGTERM,
 * and after SIGINT, which PM2 sends.
 */
const { DATA_DIR, UPSTREAM } = process.env;

/** Options of the router. */
export const options = {
  dataDir: DATA_DIR,
  hosts: { 'git.example': { baseUrl: UPSTREAM, allowPrivateAddresses: true } },
};

/** The Express 5, or the Express 4 with `EXPRESS=express4`. */
export const express = (await import(process.env.EXPRESS ?? 'express')).default;

/** @param server of Node, or an object with its `address` and `close`. */
export function listening(server, snapshots) {
  console.log(`listening ${server.address().port}`);
  endsOnSignal(async () => {
    server.close();
    server.closeIdleConnections?.();
    await snapshots.close({ drain: true });
  });
}

export function endsOnSignal(close) {
  const end = async () => {
    await close();
    if (process.connected) process.disconnect(); // PM2's channel
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
}
