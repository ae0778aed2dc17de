import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import { programArgument, serveOrders } from './serve-orders.js';
import { processUsage } from './usage.js';

/*
 * Serves the files of a directory by `express.static`.
 */

const server = createServer(
  express().use(express.static(programArgument<{ directory: string }>().directory)),
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const orders = {
  url() {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    return `http://127.0.0.1:${address.port}`;
  },
  usage: processUsage,
};
export type FileServerOrders = typeof orders;
serveOrders(orders, () => {
  server.close();
  server.closeAllConnections();
});
