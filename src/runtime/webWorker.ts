// The worker of browsers.

import type { FromWorker, ToWorker } from './runner.ts';
import { servePool } from './serve.ts';

// The types of pages, which are those loaded, do not know the scope of a worker.
const scope = globalThis as unknown as { postMessage(m: FromWorker): void; onmessage: ((e: MessageEvent<ToWorker>) => void) | null };

servePool({
  postMessage: (m) => scope.postMessage(m),
  listen(f) {
    scope.onmessage = (e) => f(e.data);
  },
});
