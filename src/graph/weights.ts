// The tensor table of a model: `take` names a weight, checks its shape, and says in which form the graph wants it.
// Nothing is read here: the loader reads exactly what was taken. The only place where storage types meet layouts.

import { FormatError, ShapeError, UnsupportedError } from '../errors.ts';
import { dequantize } from '../formats/dequantize.ts';
import type { StorageType, TensorFiles, TensorInfo } from '../formats/tensors.ts';
import { fixedTensor } from './graph.ts';
import type { PackedType, Tensor } from './tensor.ts';

/** Layout in linear memory of a weight matrix of a storage type. Other types are dequantized to f32 at load. */
export const LAYOUT: Partial<Record<StorageType, PackedType>> = {
  f32: 'packed-f32',
  bf16: 'packed-bf16',
  f16: 'packed-f16',
  q8_0: 'packed-q8',
  q4_0: 'packed-q4',
  q4_1: 'packed-q4_1',
  q5_0: 'packed-q5_0',
  q5_1: 'packed-q5_1',
  iq4_nl: 'packed-iq4_nl',
  q4_k: 'packed-q4_k',
  q5_k: 'packed-q5_k',
  iq4_xs: 'packed-iq4_xs',
  q6_k: 'packed-q6_k',
  q3_k: 'packed-q3_k',
  q2_k: 'packed-q2_k',
};

/** A weight that some graph uses: where it comes from and where it goes. `parts` are stacked along the rows. */
export interface WeightUse {
  readonly tensor: Tensor;
  readonly form: 'plain' | 'packed';
  readonly parts: readonly { readonly files: TensorFiles; readonly info: TensorInfo }[];
}

export interface WeightOptions {
  /** `float`: matrices of every type become f32. */
  readonly precision?: 'stored' | 'float';
}

interface Table {
  readonly files: TensorFiles;
  readonly options: WeightOptions;
  readonly uses: Map<string, WeightUse>;
  readonly taken: Set<string>;
}

export class Weights {
  readonly #table: Table;
  readonly prefix: string;

  private constructor(table: Table, prefix: string) {
    this.#table = table;
    this.prefix = prefix;
  }

  static over(files: TensorFiles, options: WeightOptions = {}): Weights {
    return new Weights({ files, options, uses: new Map(), taken: new Set() }, '');
  }

  /** The weights below `prefix.name`. */
  at(name: string | number): Weights {
    return new Weights(this.#table, this.#full(String(name)));
  }

  has(name: string): boolean {
    return this.#table.files.tensors.has(this.#full(name));
  }

  /** Storage type of a tensor, or undefined where there is none. */
  type(name: string): StorageType | undefined {
    return this.#table.files.tensors.get(this.#full(name))?.type;
  }

  shape(name: string): readonly number[] | undefined {
    return this.#table.files.tensors.get(this.#full(name))?.shape;
  }

  /** A vector or table (or several, one after the other) as plain f32, in the order of the file. Throws ShapeError when the sizes differ. */
  plain(names: string | readonly string[], shape: readonly number[]): Tensor {
    return this.#use('plain', typeof names === 'string' ? [names] : names, shape);
  }

  /** The values of a small tensor, read now: for what is computed on the host. */
  async values(name: string, size: number): Promise<Float32Array> {
    const info = this.#find(this.#full(name));
    const got = info.shape.reduce((a, b) => a * b, 1);
    if (got !== size)
      throw new ShapeError(`${this.#table.files.name}: ${info.name}: wrong size: got [${info.shape}], expected ${size} values`);
    if (info.packed !== undefined)
      throw new UnsupportedError(
        `${this.#table.files.name}: ${info.name}: is stored as ${info.packed}, plain values are needed: use the plain file`,
      );
    this.#table.taken.add(info.name);
    const bytes = new Uint8Array(info.bytes);
    await this.#table.files.readInto(info, bytes);
    return dequantize(info.type, bytes);
  }

  /** The same, or undefined when the checkpoint has no such tensor. */
  maybePlain(name: string, shape: readonly number[]): Tensor | undefined {
    return this.has(name) ? this.plain(name, shape) : undefined;
  }

  /** A matrix [out, in] (or several, stacked along `out`) packed for the matmul kernels in its storage type. */
  matrix(names: string | readonly string[], shape: readonly [number, number]): Tensor {
    return this.#use('packed', typeof names === 'string' ? [names] : names, shape);
  }

  /** All weights taken so far, over all prefixes. */
  get uses(): Iterable<WeightUse> {
    return this.#table.uses.values();
  }

  /** Names in the files that nobody has taken. */
  unused(): string[] {
    return [...this.#table.files.tensors.keys()].filter((n) => !this.#table.taken.has(n));
  }

  #full(name: string): string {
    return this.prefix ? `${this.prefix}.${name}` : name;
  }

  #use(form: WeightUse['form'], names: readonly string[], shape: readonly number[]): Tensor {
    const full = names.map((n) => this.#full(n));
    const key = `${form} ${full.join('+')}`;
    const known = this.#table.uses.get(key);
    if (known) return known.tensor;
    const infos = full.map((n) => this.#find(n));
    const size = infos.reduce((n, t) => n + t.shape.reduce((a, b) => a * b, 1), 0);
    if (size !== shape.reduce((a, b) => a * b, 1) || (form === 'packed' && infos.length === 1 && infos[0]!.shape[0] !== shape[0])) {
      throw new ShapeError(
        `${this.#table.files.name}: ${full.join(' + ')}: wrong size: got ${infos.map((t) => `[${t.shape}]`).join(' + ')}, expected [${shape}] by the config`,
      );
    }
    const dtype = form === 'plain' ? 'f32' : this.#layout(infos);
    const odd = infos.find((t) => t.packed !== undefined && t.packed !== dtype);
    if (odd)
      throw new UnsupportedError(
        `${this.#table.files.name}: ${odd.name}: is stored as ${odd.packed}, ${dtype} is needed: use the plain file that it was made of`,
      );
    const tensor = fixedTensor(full.join('+'), dtype, shape);
    this.#table.uses.set(key, { tensor, form, parts: infos.map((info) => ({ files: this.#table.files, info })) });
    for (const n of full) this.#table.taken.add(n);
    return tensor;
  }

  #layout(infos: readonly TensorInfo[]): PackedType {
    const types = new Set(infos.map((t) => t.type));
    const type = infos[0]!.type;
    if (types.size > 1) throw new UnsupportedError(`${infos[0]!.name}: stacked with another type: got ${[...types].join(' and ')}`);
    return this.#table.options.precision === 'float' ? 'packed-f32' : (LAYOUT[type] ?? 'packed-f32');
  }

  #find(name: string): TensorInfo {
    const t = this.#table.files.tensors.get(name);
    if (t) return t;
    const tail = name.split('.').slice(-2).join('.');
    const near = [...this.#table.files.tensors.keys()].filter((n) => n.endsWith(tail)).slice(0, 3);
    throw new FormatError(
      'structure',
      `${this.#table.files.name}: has no tensor ${name}${near.length ? `: near names: ${near.join(', ')}` : `: it has ${this.#table.files.tensors.size} tensors, such as ${[...this.#table.files.tensors.keys()].slice(0, 3).join(', ')}`}`,
    );
  }
}
