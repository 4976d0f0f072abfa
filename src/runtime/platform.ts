// All that differs between runtimes. One small file per platform implements this; nothing else may look at the runtime.

/** `simd`: plain WASM SIMD. `relaxed`: with relaxed SIMD's integer dot. `debug`: plain, with names and assertions. */
export type Build = 'simd' | 'relaxed' | 'debug';

export interface WorkerHandle {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onError(listener: (error: Error) => void): void;
  /** While held, the worker keeps the process alive. */
  hold(held: boolean): void;
  terminate(): Promise<void>;
}

export interface Platform {
  readonly name: string;
  /** The kernels, compiled. */
  compile(build: Build): Promise<WebAssembly.Module>;
  /** A worker that runs src/runtime/worker.ts, or null where there are no threads. */
  spawn(): WorkerHandle | null;
  /** Threads that make sense: what the machine offers, 1 where there are none. */
  threads(): number;
}
