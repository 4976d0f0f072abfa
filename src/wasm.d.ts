// What importing a .wasm file gives.

// Bun, `with { type: 'file' }`: its path.
declare module '*.wasm' {
  const path: string;
  export default path;
}

// workerd and edge runtimes: the compiled module.
declare module '*.wasm?module' {
  const module: WebAssembly.Module;
  export default module;
}

// `pumice/inline`, which the build makes (scripts/inline.mjs).
declare module '*/inline.js' {
  export function kernels(build: import('./runtime/platform.ts').Build): Uint8Array<ArrayBuffer>;
}
