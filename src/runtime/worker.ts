// The worker of Node, Deno and Bun.

import { parentPort } from 'node:worker_threads';
import { servePool } from './serve.ts';

servePool({
  postMessage: (m) => parentPort!.postMessage(m),
  listen: (f) => void parentPort!.on('message', f),
});
