// Browsers: kernels and models by fetch, threads by web workers where the page is cross-origin isolated.

import { fetchKernels } from './kernels.ts';
import type { Platform, WorkerHandle } from './platform.ts';

let warned = false;

export const browserPlatform: Platform = {
  name: 'browser',

  // Literal URLs: bundlers see no others. The debug build is for checkouts and quantizers are for the command, which nobody bundles.
  compile: (build, set) =>
    fetchKernels(
      set === 'kernels' && build === 'relaxed'
        ? new URL('../../wasm/kernels.relaxed.wasm', import.meta.url)
        : set === 'kernels' && build === 'simd'
          ? new URL('../../wasm/kernels.simd.wasm', import.meta.url)
          : beside(`../../wasm/${set}.${build}.wasm`),
      'entry browser',
    ),

  spawn(url) {
    if (!isolated()) return null;
    if (url !== undefined) return handle(start(String(url)));
    if (foreign(import.meta.url)) return handle(start(beside('./webWorker.js')));
    return handle(new Worker(new URL('./webWorker.js', import.meta.url), { type: 'module' }));
  },

  threads: () => (isolated() ? navigator.hardwareConcurrency : 0),

  open: async (path) => (await import('./webFiles.ts')).webFile(path, location.href),
};

/** Shared memory reaches workers only on pages with COOP and COEP headers. */
function isolated(): boolean {
  if (!globalThis.crossOriginIsolated && !warned) {
    warned = true;
    console.warn('pumice: this page is not cross-origin isolated (headers COOP and COEP): one thread');
  }
  return globalThis.crossOriginIsolated;
}

/** Is a script's address of another origin than the page? Bundlers write file: addresses here: those are the page's own. */
function foreign(script: string): boolean {
  const { protocol, origin } = new URL(script, location.href);
  return /^https?:$/.test(protocol) && origin !== location.origin;
}

/** The address of a file that bundlers need not see. */
const beside = (path: string): string => new URL(path, import.meta.url.replace(/[?#].*/, '')).href;

/** Browsers start no worker from another origin, but a worker of ours may import it. */
function start(url: string): Worker {
  if (!foreign(url)) return new Worker(url, { type: 'module' });
  const bridge = new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' });
  return new Worker(URL.createObjectURL(bridge), { type: 'module' });
}

function handle(worker: Worker): WorkerHandle {
  return {
    post: (m) => worker.postMessage(m),
    onMessage: (f) => worker.addEventListener('message', (e) => f(e.data)),
    onError: (f) =>
      worker.addEventListener('error', (e) => f(e.error instanceof Error ? e.error : new TypeError(e.message || 'cannot start'))),
    hold: () => {},
    terminate: async () => worker.terminate(),
  };
}
