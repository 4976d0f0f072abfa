// A graph is a list of operations in the order in which they run. It knows shapes and names, no addresses.

import { ShapeError } from '../errors.ts';
import type { Cost, Op, SizeOf } from './op.ts';
import { byteSize, type Cell, colsOf, type Dim, type DType, maxOf, type Storage, show, type Tensor } from './tensor.ts';

/** One operation with its tensors. Parameters are sealed in: nobody else needs their type. */
export interface Node {
  readonly op: Op<never>;
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Where in the model: `decoder/layer 3`. */
  readonly section: string;
  /** Borders before it. */
  readonly segment: number;
  readonly params: unknown;
  cost(size: SizeOf): Cost;
  encode(record: Parameters<Op['encode']>[0]): void;
  readonly scratch: number;
}

export class Graph {
  readonly name: string;
  readonly nodes: Node[] = [];
  /** Host-written tensors. */
  readonly inputs: Map<string, Tensor> = new Map();
  /** Tensors that stay readable after a run. */
  readonly outputs: Map<string, Tensor> = new Map();
  /** Named intermediates: kept only when a plan asks for them. */
  readonly taps: Map<string, Tensor> = new Map();
  /** Where the graph may be cut into stages, see stages.ts. Programs that share weights or caches name the same places alike. */
  readonly borders: string[] = [];
  #sections: string[] = [];
  #memo: Map<string, Tensor> = new Map();
  #ids: Map<object, number> = new Map();

  constructor(name: string) {
    this.name = name;
  }

  /** A tensor that the host writes before each run. */
  input(name: string, dtype: DType, shape: readonly Dim[]): Tensor {
    const t = newTensor('arena', name, dtype, shape);
    this.inputs.set(name, t);
    return t;
  }

  /** Adds an operation and returns its first result. */
  add<P>(op: Op<P>, inputs: readonly Tensor[], params: P): Tensor {
    const first = this.addAll(op, inputs, params)[0];
    if (!first) throw new ShapeError(`${this.#at(op.name)}: has no result: use addAll`);
    return first;
  }

  /** Adds an operation and returns all its results. */
  addAll<P>(op: Op<P>, inputs: readonly Tensor[], params: P): readonly Tensor[] {
    let specs: ReturnType<Op<P>['outputs']>;
    try {
      specs = op.outputs(inputs, params);
    } catch (e) {
      if (e instanceof ShapeError) e.message = `${this.name}: ${this.#at(e.message)}`;
      throw e;
    }
    const name = `${op.name}${this.nodes.length}`;
    const outputs = specs.map((s, i) => newTensor('arena', i ? `${name}.${i}` : name, s.dtype, s.shape));
    this.nodes.push({
      op: op as unknown as Op<never>,
      name,
      inputs,
      outputs,
      section: this.#sections.join('/'),
      segment: this.borders.length,
      params,
      cost: (size) => op.cost(inputs, params, size),
      encode: (record) => op.encode(record, inputs, params, outputs),
      scratch: op.scratch?.(inputs, params) ?? 0,
    });
    return outputs;
  }

  /** Like `add`, but the same op on the same inputs is computed once (a row quantized for q, k and v). Only for ops whose parameters are plain values. */
  once<P>(op: Op<P>, inputs: readonly Tensor[], params: P): Tensor {
    const key = `${op.name}(${inputs.map((t) => this.#id(t)).join()}) ${JSON.stringify(params)}`;
    let t = this.#memo.get(key);
    if (!t) {
      t = this.add(op, inputs, params);
      this.#memo.set(key, t);
    }
    return t;
  }

  /** Names a region of the model for the profiler, messages and the printed graph. */
  section<T>(name: string, body: () => T): T {
    this.#sections.push(name);
    try {
      return body();
    } finally {
      this.#sections.pop();
    }
  }

  /** Allows a cut between the ops so far and those to come. */
  border(name: string): void {
    this.borders.push(name);
  }

  /** Names an intermediate, so that a plan can keep it. */
  tap(name: string, t: Tensor): Tensor {
    this.taps.set(name, t);
    return t;
  }

  /** Names a result that the host reads after a run. */
  output(name: string, t: Tensor): Tensor {
    this.outputs.set(name, t);
    return t;
  }

  #at(text: string): string {
    return this.#sections.length ? `${this.#sections.join('/')}: ${text}` : text;
  }

  #id(o: object): number {
    const id = this.#ids.get(o) ?? this.#ids.size;
    this.#ids.set(o, id);
    return id;
  }
}

/** A tensor with a storage of its own. */
export function newTensor(kind: Storage['kind'], name: string, dtype: DType, shape: readonly Dim[]): Tensor {
  return { name, dtype, shape, storage: { kind, name, bytes: byteSize(dtype, shape) }, offset: 0, stride: colsOf(shape) };
}

/** A tensor that the engine places once: a weight, a cache, a table. Share the object to share the memory. */
export const fixedTensor = (name: string, dtype: DType, shape: readonly Dim[]): Tensor => newTensor('fixed', name, dtype, shape);

/** Window of `count` columns from column `from` of an f32 matrix. No copy: ops that take windows read the stride. */
export function columns(t: Tensor, from: number, count: number): Tensor {
  if (from < 0 || from + count > colsOf(t.shape))
    throw new ShapeError(`columns: window outside the tensor: got ${from}..${from + count} of ${show(t)}`);
  return { ...t, name: `${t.name}[:, ${from}:${from + count}]`, shape: [...t.shape.slice(0, -1), count], offset: t.offset + from * 4 };
}

/** Window of `count` rows from row `from` of a tensor with fixed rows. */
export function rows(t: Tensor, from: number, count: number): Tensor {
  const have = t.shape.slice(0, -1).reduce<number>((n, d) => n * maxOf(d), 1);
  if (from < 0 || from + count > have) throw new ShapeError(`rows: window outside the tensor: got ${from}..${from + count} of ${show(t)}`);
  return { ...t, name: `${t.name}[${from}:${from + count}]`, shape: [count, colsOf(t.shape)], offset: t.offset + from * t.stride * 4 };
}

/** The same elements in another shape. */
export function reshape(t: Tensor, shape: readonly Dim[]): Tensor {
  const size = (s: readonly Dim[]) => s.reduce<number>((n, d) => n * maxOf(d), 1);
  if (t.stride !== colsOf(t.shape)) throw new ShapeError(`reshape: needs contiguous rows: got ${show(t)} with stride ${t.stride}`);
  if (size(shape) !== size(t.shape)) throw new ShapeError(`reshape: sizes differ: got ${show(t)}, wanted ${size(shape)} elements`);
  return { ...t, shape, stride: colsOf(shape) };
}

/** Checks for ops that read whole rows only. */
export function contiguous(op: string, ...tensors: readonly Tensor[]): void {
  for (const t of tensors)
    if (t.stride !== colsOf(t.shape)) throw new ShapeError(`${op}: needs contiguous rows: got a column window ${show(t)}`);
}

/** A cell with an upper bound. */
export const newCell = (name: string, max: number): Cell => ({ name, max });
