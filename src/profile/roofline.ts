// What this machine does at best, measured in the same run as benches and profiles: one core, one build.

import type { Build } from '../runtime/platform.ts';

export interface Roofline {
  /** f32 multiply-adds, 10⁹/s. */
  readonly f32: number;
  /** 8-bit multiply-adds by this build's fastest dot (relaxed: into 16-bit sums, as the kernels do), 10⁹/s. */
  readonly i8: number;
  /** Reading memory that no cache holds, 10⁹ bytes/s. */
  readonly memory: number;
}

interface Exports {
  f32Peak(at: number, steps: number): number;
  i8Peak(at: number, steps: number): number;
  readAll(at: number, bytes: number): number;
}

const PAGE = 65536;
const READ_BYTES = 128 * 2 ** 20;
const OPERANDS = 1024;

/** Where the micro-kernels of a build lie, beside the kernels. */
export const rooflineUrl = (build: Build): URL =>
  new URL(`../../wasm/roofline.${build === 'relaxed' ? 'relaxed' : 'simd'}.wasm`, import.meta.url);

/** Takes most of a second. `bytes`: the file of rooflineUrl. */
export function measureRoofline(build: Build, bytes: BufferSource): Roofline {
  const memory = new WebAssembly.Memory({ initial: READ_BYTES / PAGE + 1, maximum: 65536, shared: true });
  const kernels = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports as unknown as Exports;
  // Touched once, so that no page is the kernel's shared page of zeros.
  new Uint8Array(memory.buffer, PAGE).fill(1);
  const i8Step = build === 'relaxed' ? 128 : 64;
  const steps = 20000;
  return {
    f32: (32 * steps) / best(() => kernels.f32Peak(OPERANDS, steps), 100) / 1e6,
    i8: (i8Step * steps) / best(() => kernels.i8Peak(OPERANDS, steps), 100) / 1e6,
    memory: READ_BYTES / best(() => kernels.readAll(PAGE, READ_BYTES), 150) / 1e6,
  };
}

/** Shortest of the runs that fit into `ms`, after as long a warm-up: a limit is what can be reached, not what is usual. */
function best(f: () => void, ms: number): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (const measured of [false, true]) {
    const end = performance.now() + ms;
    for (let start = performance.now(); start < end; ) {
      f();
      const now = performance.now();
      if (measured) shortest = Math.min(shortest, now - start);
      start = now;
    }
  }
  return shortest;
}
