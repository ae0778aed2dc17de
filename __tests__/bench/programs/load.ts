import { connect } from 'node:net';
import { serveOrders } from './serve-orders.js';

/*
 * Downloads and throws away. Raw sockets that read into one buffer, which costs less than any HTTP
 * client does: the servers are what is measured.
 */

const BUFFER_BYTES = 1024 * 1024;
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

const orders = {
  /**
   * Sends `requests` GETs over each of `connections` connections at once.
   *
   * @param range of bytes; default: all of them
   */
  async load(url: string, connections: number, requests: number, range?: string) {
    const before = process.cpuUsage();
    const started = performance.now();
    const head = requestHead(new URL(url), range);
    const all = Array.from({ length: connections }, () => transfer(new URL(url), head, requests));
    const bytes = (await Promise.all(all)).reduce((sum, one) => sum + one, 0);
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(before);
    return { bytes, seconds, cpuSeconds: (user + system) / 1e6 };
  },
};
export type LoadOrders = typeof orders;
serveOrders(orders);

function requestHead({ pathname, host }: URL, range?: string): string {
  const rangeLine = range === undefined ? '' : `Range: ${range}\r\n`;
  return `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${rangeLine}\r\n`;
}

/** One request after the other over one connection. @returns the bytes of all bodies. */
function transfer(url: URL, request: string, requests: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let [sent, bytes, rest] = [0, 0, 0];
    let head = '';
    const send = () => {
      sent++;
      socket.write(request);
    };
    const take = (count: number) => {
      rest -= count;
      bytes += count;
      if (rest > 0) return;
      if (rest < 0) socket.destroy(new Error(`more came than Content-Length says: ${-rest}`));
      else if (sent < requests) send();
      else socket.end(() => resolve(bytes));
    };
    const callback = (length: number) => {
      if (rest > 0) {
        take(length);
        return true;
      }
      head += buffer.toString('latin1', 0, length);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return true;
      rest = contentLength(head.slice(0, end));
      const count = head.length - end - 4;
      head = '';
      if (Number.isNaN(rest)) socket.destroy(new Error('not a 200 or 206 with a Content-Length'));
      else take(count);
      return true;
    };
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      onread: { buffer, callback },
    });
    socket.once('connect', send);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed the connection')));
  });
}

function contentLength(head: string): number {
  if (!/^HTTP\/1\.1 20[06] /.test(head)) return Number.NaN;
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
}
