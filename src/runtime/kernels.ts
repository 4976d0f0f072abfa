// From what holds the kernels to a compiled module.

import { InputError } from '../errors.ts';
import type { Build } from './platform.ts';

/** Kernels in any form: compiled, as bytes, or where they can be fetched. */
export type WasmInput = WebAssembly.Module | BufferSource | URL | string;

/** Kernels of one's own choice: one build, or a function that gives the build asked for (`pumice/inline` is one). */
export type WasmOption = WasmInput | ((build: Build) => WasmInput | Promise<WasmInput>);

/**
 * Compiles kernels that do not come from the platform's own place.
 * @throws InputError where they cannot be fetched or are no kernels
 */
export async function compileKernels(option: WasmOption, build: Build): Promise<WebAssembly.Module> {
  const input = typeof option === 'function' ? await option(build) : option;
  if (input instanceof WebAssembly.Module) return input;
  if (input instanceof URL || typeof input === 'string') return fetchKernels(input, 'option wasm');
  try {
    return await WebAssembly.compile(input);
  } catch (e) {
    throw new InputError(`kernels: the bytes given as option wasm do not compile: ${(e as Error).message}`, { cause: e });
  }
}

/**
 * Fetches and compiles kernels.
 * @throws InputError that names the URL, who chose it, and the option that replaces it
 */
export async function fetchKernels(url: URL | string, chosenBy: string): Promise<WebAssembly.Module> {
  const fail = (why: string, cause?: unknown) =>
    new InputError(
      `kernels: cannot be loaded from ${url} (${chosenBy}): ${why}: copy build/wasm of the package there, or give the option wasm`,
      {
        cause,
      },
    );
  let bytes: ArrayBuffer;
  try {
    const response = await fetch(url);
    if (!response.ok) throw fail(`the server answers ${response.status}`);
    // Not by compileStreaming: it refuses servers that do not send application/wasm, and kernels are small.
    bytes = await response.arrayBuffer();
  } catch (e) {
    throw e instanceof InputError ? e : fail((e as Error).message, e);
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (e) {
    throw fail(`it is no kernel module: ${(e as Error).message}`, e);
  }
}
