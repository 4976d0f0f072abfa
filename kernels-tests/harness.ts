// Runs single ops and small graphs in every kernel build that this runtime computes rightly, with 1, 2 and 3 shares.

import { Graph } from '../src/graph/graph.ts';
import type { Op } from '../src/graph/op.ts';
import { plan } from '../src/graph/plan.ts';
import type { DType, Tensor } from '../src/graph/tensor.ts';
import { Engine, type Program } from '../src/runtime/engine.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import type { Build, KernelSet } from '../src/runtime/platform.ts';
import { bestBuild } from '../src/runtime/probe.ts';

export { random } from './random.ts';

export const builds: readonly Build[] = bestBuild() === 'relaxed' ? ['simd', 'relaxed', 'debug'] : ['simd', 'debug'];
export const shares: readonly number[] = [1, 2, 3];

/** A fresh, cold engine. */
export const coldEngine = (build: Build, threads = 1, set: KernelSet = 'kernels'): Promise<Engine> =>
  Engine.create(nodePlatform, { build, set, threads: 0, simulatedThreads: threads });

/** One engine per build and number of shares, named for test titles. */
export async function engines(set: KernelSet = 'kernels'): Promise<{ name: string; build: Build; threads: number; engine: Engine }[]> {
  const all = builds.flatMap((build) => shares.map((threads) => ({ build, threads })));
  return Promise.all(
    all.map(async (x) => ({ ...x, name: `${x.build} threads=${x.threads}`, engine: await coldEngine(x.build, x.threads, set) })),
  );
}

/** Input of an op under test: values, shape, and dtype (default f32, i32 for Int32Array, u8 for bytes). */
export interface Given {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
  readonly dtype?: DType;
}

export const given = (data: Given['data'], ...shape: number[]): Given => ({ data, shape });

/** Builds a graph over the inputs, poisons the arena with NaN, runs it, and returns the program for reading. */
export function runGraph(
  engine: Engine,
  inputs: readonly Given[],
  body: (g: Graph, inputs: Tensor[]) => readonly Tensor[],
): { program: Program; read(i?: number): Float32Array; readInts(i?: number): Int32Array; done(): void } {
  const g = new Graph('test');
  const tensors = inputs.map((x, i) =>
    g.input(`in${i}`, x.dtype ?? (x.data instanceof Float32Array ? 'f32' : x.data instanceof Int32Array ? 'i32' : 'u8'), x.shape),
  );
  for (const [i, t] of body(g, tensors).entries()) g.output(`out${i}`, t);
  const program = engine.install(plan(g));
  poison(engine, program);
  for (const [i, x] of inputs.entries()) engine.write(program, `in${i}`, x.data);
  engine.runNow(program);
  return {
    program,
    read: (i = 0) => engine.read(program, `out${i}`),
    readInts: (i = 0) => engine.readInts(program, `out${i}`),
    done: () => engine.uninstall(program),
  };
}

/** First result of one op. */
export function runOp<P>(engine: Engine, op: Op<P>, params: P, inputs: readonly Given[]): Float32Array {
  const r = runGraph(engine, inputs, (g, t) => [g.add(op, t, params)]);
  const y = r.read();
  r.done();
  return y;
}

function poison(engine: Engine, program: Program): void {
  for (const s of program.plan.offsets.keys()) {
    const at = engine.locate(program, { name: s.name, dtype: 'f32', shape: [], storage: s, offset: 0, stride: 1 });
    new Uint32Array(engine.bytes.buffer, at, s.bytes >> 2).fill(0x7fc00000);
  }
}

/** Throws with the first differing index and the largest error. */
export function close(got: ArrayLike<number>, want: ArrayLike<number>, atol: number, rtol: number, what = ''): void {
  if (got.length !== want.length) throw new Error(`${what}: got ${got.length} values, want ${want.length}`);
  let worst = 0;
  let first = -1;
  for (let i = 0; i < want.length; i++) {
    const e = Math.abs(got[i]! - want[i]!);
    const ok = e <= atol + rtol * Math.abs(want[i]!);
    if (!ok && first < 0) first = i;
    if (!(e <= worst)) worst = e;
  }
  if (first >= 0) throw new Error(`${what}[${first}]: got ${got[first]}, want ${want[first]}; largest error ${worst}`);
}
