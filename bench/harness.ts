// Benches of ops: named shapes from real models, timed by tinybench, set against what the machine can do (roofline.ts).
//
// A bench file exports `cases`. A case builds a graph; its cost comes from the ops themselves. No thresholds: compare two runs of one
// machine, never a stored number.

import { Bench } from 'tinybench';
import { random } from '../kernels-tests/random.ts';
import { Graph } from '../src/graph/graph.ts';
import type { Op } from '../src/graph/op.ts';
import { plan } from '../src/graph/plan.ts';
import { type Dim, type DType, maxOf, maxSize, type Tensor } from '../src/graph/tensor.ts';
import type { Roofline } from '../src/profile/roofline.ts';
import { Engine, type Program } from '../src/runtime/engine.ts';
import type { Build, KernelSet, Platform } from '../src/runtime/platform.ts';

export interface Case {
  /** Which model does this, and how large: `Vicuna-7B, 1 row`. */
  readonly name: string;
  /** The kernels that the ops belong to. Default: kernels. */
  readonly set?: KernelSet;
  /** The limit that the op runs into: what its share is taken of. */
  readonly bound: keyof Roofline;
  /** Adds the ops to be timed and returns their results. */
  graph(g: Graph): readonly Tensor[];
  /** Inputs that are not uniform values in -1..1 (i32: zeros). */
  readonly inputs?: Readonly<Record<string, Int32Array | Float32Array | Uint8Array>>;
  /** After the program is installed: what inputs cannot say. */
  prepare?(engine: Engine): void;
}

/** A case of one op on inputs of these shapes; an i32 input is given by its values. */
export function opCase<P>(
  name: string,
  bound: keyof Roofline,
  op: Op<P>,
  params: P,
  given: readonly (readonly number[] | Int32Array)[],
): Case {
  const inputs: Record<string, Int32Array> = {};
  given.forEach((x, i) => {
    if (x instanceof Int32Array) inputs[`in${i}`] = x;
  });
  return {
    name,
    bound,
    inputs,
    graph: (g) => {
      const tensors = given.map((x, i) =>
        x instanceof Int32Array ? g.input(`in${i}`, 'i32', [x.length, 1]) : g.input(`in${i}`, 'f32', x),
      );
      return g.addAll(op, tensors, params);
    },
  };
}

/** What the cases run on: differs by runtime. */
export interface Host {
  readonly platform: Platform;
  /** CPU milliseconds so far of whatever runs the cases. */
  cpuMs(): number | Promise<number>;
  /** A file of the build. */
  bytes(url: URL): Promise<BufferSource>;
}

export interface Result {
  readonly op: string;
  readonly case: string;
  readonly build: Build;
  /** Median of one call. */
  readonly ms: number;
  /** Fastest of all samples. */
  readonly bestMs: number;
  /** Median distance of the samples from their median, by the median. */
  readonly spread: number;
  readonly samples: number;
  readonly gmacs: number;
  readonly gbs: number;
  readonly bound: keyof Roofline;
  /** Of the roofline; above 1 where a memory-bound case lies in a cache. */
  readonly share: number;
  /** CPU time of this process by wall time: well below 1 means that others took the core. */
  readonly cpu: number;
}

/** Times a case, one thread. `ms`: measuring time. */
export async function measure(host: Host, op: string, c: Case, build: Build, roofline: Roofline, ms: number): Promise<Result> {
  const engine = await Engine.create(host.platform, { build, threads: 0, ...(c.set === undefined ? {} : { set: c.set }) });
  const { program, macs, bytes } = install(engine, c);
  const { calls, sampleMs } = calibrate(engine, program);

  const bench = new Bench({ time: ms, ...rounds(ms, sampleMs), warmupTime: 20, retainSamples: true, throws: true });
  bench.add(op, () => {
    for (let i = 0; i < calls; i++) engine.runNow(program);
  });
  const cpu = await host.cpuMs();
  const start = performance.now();
  await bench.run();
  const wall = performance.now() - start;
  const cpuMs = (await host.cpuMs()) - cpu;
  await engine.dispose();

  const result = bench.tasks[0]!.result;
  if (!('latency' in result)) throw new TypeError(`${op}: ${c.name}: tinybench gave no samples`);
  const median = result.latency.p50 / calls;
  const gmacs = macs / median / 1e6;
  const gbs = bytes / median / 1e6;
  const share = (c.bound === 'memory' ? gbs : gmacs) / roofline[c.bound];
  return {
    op,
    case: c.name,
    build,
    ms: median,
    bestMs: result.latency.min / calls,
    spread: result.latency.mad / result.latency.p50,
    samples: result.latency.samplesCount,
    gmacs,
    gbs,
    bound: c.bound,
    share,
    cpu: cpuMs / wall,
  };
}

/** A case's program with its inputs, and what a run of it costs. */
export function install(engine: Engine, c: Case): { program: Program; macs: number; bytes: number } {
  const g = new Graph(c.name);
  c.graph(g).forEach((t, i) => {
    g.output(`out${i}`, t);
  });
  const program = engine.install(plan(g));
  c.prepare?.(engine);
  // Read once: a case may make its weights here.
  const given = c.inputs;
  const fill = (dtype: DType, shape: readonly Dim[]) => (dtype === 'f32' ? random(maxSize(shape), 1) : null);
  for (const [name, t] of g.inputs) {
    const data = given?.[name] ?? fill(t.dtype, t.shape);
    if (data && program.plan.offsets.has(t.storage)) engine.write(program, name, data);
  }
  let macs = 0;
  let bytes = 0;
  for (const n of program.plan.nodes) {
    const cost = n.cost(maxOf);
    macs += cost.macs;
    bytes += cost.bytes;
    for (const d of [...n.inputs, ...n.outputs].flatMap((t) => t.shape)) if (typeof d !== 'number') engine.setCell(d, d.max);
    for (const t of n.inputs) {
      const data = t.storage.kind === 'fixed' && t.offset === 0 ? fill(t.dtype, t.shape) : null;
      if (data) engine.writeFixed(t, data);
    }
  }
  return { program, macs, bytes };
}

/** A sample takes at least so many milliseconds, and so many ticks of the clock: pages get one of 5 us. */
const SAMPLE_MS = 0.05;
const SAMPLE_TICKS = 100;

/** Samples at least: fewer where each takes a second, as with 512 rows of a 7B model. */
const rounds = (ms: number, sampleMs: number): { iterations: number; warmupIterations: number } => {
  const iterations = Math.max(5, Math.min(16, Math.ceil((4 * ms) / sampleMs)));
  return { iterations, warmupIterations: iterations >> 2 };
};

/** Calls per sample, so that the clock does not matter, and how long such a sample takes. Also makes the kernel hot. */
function calibrate(engine: Engine, program: Program): { calls: number; sampleMs: number } {
  const least = Math.max(SAMPLE_MS, SAMPLE_TICKS * clockTick());
  for (let calls = 1; ; calls *= 2) {
    const end = performance.now() + 20;
    let shortest = Number.POSITIVE_INFINITY;
    for (let start = performance.now(); start < end; ) {
      for (let i = 0; i < calls; i++) engine.runNow(program);
      const now = performance.now();
      shortest = Math.min(shortest, now - start);
      start = now;
    }
    if (shortest >= least) return { calls, sampleMs: shortest };
  }
}

/** Milliseconds, or microseconds where they are few. */
export const time = (ms: number): string => (ms >= 1 ? `${ms.toFixed(2)} ms` : `${(ms * 1000).toFixed(2)} us`);

/** Least step of the clock, in milliseconds. */
function clockTick(): number {
  let tick = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    tick = Math.min(tick, now - start);
  }
  return tick;
}

export function line(r: Result): string {
  const share = `${(100 * r.share).toFixed(0)} % of ${r.bound}`;
  return [
    r.op.padEnd(16),
    r.build.padEnd(7),
    r.case.padEnd(47),
    time(r.ms).padStart(10),
    `+-${(100 * r.spread).toFixed(0)} %`.padEnd(7),
    `(best ${time(r.bestMs)})`.padEnd(17),
    `${r.gmacs.toFixed(1)} GMAC/s`.padStart(12),
    `${r.gbs.toFixed(1)} GB/s`.padStart(10),
    share.padEnd(15),
    `cpu ${(100 * r.cpu).toFixed(0)} %`,
  ].join(' ');
}
