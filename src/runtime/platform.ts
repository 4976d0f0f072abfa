// All that differs between runtimes. One small file per platform implements this; nothing else may look at the runtime.

import type { ByteSource, Folder } from '../formats/source.ts';
import type { openHubFolder } from '../models/hubLayout.ts';

/** `simd`: plain WASM SIMD. `relaxed`: with relaxed SIMD's integer dot. `debug`: plain, with names and assertions. */
export type Build = 'simd' | 'relaxed' | 'debug';

/** A wasm per build. `kernels`: what models run; `quantizers`: what writes weights in few bits. */
export type KernelSet = 'kernels' | 'quantizers';

export interface WorkerHandle {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onError(listener: (error: Error) => void): void;
  /** While held, the worker keeps the process alive. */
  hold(held: boolean): void;
  terminate(): Promise<void>;
}

/** How files that are not here are brought. */
export interface Download {
  /** Nothing is asked of the network: what is not in the cache is an error. */
  readonly offline?: boolean;
  /** Bytes of a file so far and in all (null where the server does not say). */
  readonly onDownload?: (file: string, done: number, total: number | null) => void;
  readonly signal?: AbortSignal;
}

/** A path, opened: a file with the folder it lies in, or a folder. */
export type Opened =
  | { readonly kind: 'file'; readonly source: ByteSource; readonly folder: Folder; readonly file: string; readonly mmproj?: string }
  | { readonly kind: 'folder'; readonly folder: Folder };

export interface Platform {
  /** The entry's name, for messages. */
  readonly name: string;
  /** The build to take, where the runtime cannot be probed or has only one; default: what bestBuild() finds. */
  readonly build?: Build;
  /** A set of kernels, compiled. */
  compile(build: Build, set: KernelSet): Promise<WebAssembly.Module>;
  /** A worker that runs the platform's worker file, or the one at `url`; null where there are no threads. */
  spawn(url?: URL | string): WorkerHandle | null;
  /** Threads that make sense: what the machine offers, 0 where there are none. */
  threads(): number;
  /** Opens a local path, a URL, or a hub's `org/name`, as far as the platform can. Throws InputError where there is nothing. */
  open(path: string, download?: Download): Promise<Opened>;
  /** Opens a hub directory; absent where there are none, so that safetensors, pickles and tokenizer files stay out of bundles. */
  readonly openHub?: typeof openHubFolder;
  /** Reads a small local file (a picture); absent where there are none. */
  readFile?(path: string): Promise<Uint8Array>;
}
