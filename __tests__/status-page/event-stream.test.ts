import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { EventStream } from '../../lib/status-page/event-stream.js';

test('A client that reads nothing makes the server keep one event, and is told that it has missed others', () => {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  const stream = new EventStream(response);
  stream.send('overview', 'x'.repeat(1_000_000));
  expect(stream.hasMissed).toBe(false);
  const kept = response.writableLength;
  for (let i = 0; i < 10; i++) stream.send('overview', 'x'.repeat(1_000_000));
  expect(stream.hasMissed).toBe(true);
  expect(response.writableLength).toBe(kept);
  response.emit('drain');
  stream.send('heartbeat', '{}');
  expect(response.writableLength).toBeGreaterThan(kept);
});
