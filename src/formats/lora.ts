// LoRA merged at load: a view of a base's tensors that gives W + s B A row by row as it is read, s = alpha / r. Nothing is merged before it is asked for,
// so the base never lies in memory twice.
//
// Sums run in float64 and are rounded once: to f16 where the base is f16 (the merged tensor keeps its size), else to f32. bf16 becomes f32, since its
// eight bits would swallow most of an adapter, and matrices of bf16 are f32 in memory anyway.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';
import { bf16ToF32, f16ToF32, f32ToF16 } from './half.ts';
import { storedBytes } from './places.ts';
import { BLOCKS, type StorageType, type TensorFiles, type TensorInfo } from './tensors.ts';

/** What adapter_config.json says of the merge. */
export interface LoraConfig {
  readonly alpha: number;
  /** Matrices are stored as [in, out]. */
  readonly fanInFanOut: boolean;
  /** s = alpha / sqrt(r) instead of alpha / r. */
  readonly rankStabilized: boolean;
}

/** The two factors of one module, as the adapter names them. */
export interface LoraPair {
  readonly a: TensorInfo;
  readonly b: TensorInfo;
  /** The product is transposed before it is added. */
  readonly transposed: boolean;
}

/** delta[row, col] = sum over k of left[row * r + k] * right[col * r + k], scaled already. */
interface Factors {
  readonly name: string;
  readonly r: number;
  readonly left: Float64Array;
  readonly right: Float64Array;
}

const FLOATS: readonly StorageType[] = ['f32', 'f16', 'bf16'];

/**
 * The tensors of `base` with the products of `pairs` added; `pairs` is keyed by the base's tensor names. Closing the view closes both sets.
 * @throws FormatError `structure` for a name that the base lacks or shapes that do not fit; UnsupportedError for tensors that are no float matrices
 */
export function mergedLora(base: TensorFiles, adapter: TensorFiles, pairs: ReadonlyMap<string, LoraPair>, config: LoraConfig): TensorFiles {
  const tensors = new Map(base.tensors);
  for (const [name, pair] of pairs) tensors.set(name, checkedPair(base, adapter, name, pair, config));
  let kept: Factors | null = null;
  const factorsOf = async (name: string, pair: LoraPair): Promise<Factors> => {
    // Rows of one tensor are read one piece after another.
    if (kept?.name !== name) kept = await readFactors(adapter, name, pair, config);
    return kept;
  };
  return {
    name: `${base.name} + ${adapter.name}`,
    tensors,
    async readInto(tensor, target, from = 0) {
      const pair = pairs.get(tensor.name);
      const stored = base.tensors.get(tensor.name);
      const merged = tensors.get(tensor.name);
      if (stored === undefined || merged === undefined) throw new InputError(`${base.name}: there is no tensor ${tensor.name}`);
      if (pair === undefined) return base.readInto(stored, target, from);
      if (!(from >= 0 && from + target.byteLength <= merged.bytes))
        throw new InputError(`${base.name}: ${tensor.name} has ${merged.bytes} bytes: wanted ${target.byteLength} bytes from ${from} on`);
      if (target.byteLength === 0) return;
      const cols = merged.shape[1]!;
      const rowBytes = cols * BLOCKS[merged.type].bytes;
      const first = Math.floor(from / rowBytes);
      const count = Math.ceil((from + target.byteLength) / rowBytes) - first;
      const raw = new Uint8Array(count * cols * BLOCKS[stored.type].bytes);
      await base.readInto(stored, raw, first * cols * BLOCKS[stored.type].bytes);
      const values = widened(stored.type, raw);
      addProduct(values, await factorsOf(tensor.name, pair), first, count, cols);
      const skip = from - first * rowBytes;
      target.set(narrowed(merged.type, values).subarray(skip, skip + target.byteLength));
    },
    async close() {
      kept = null;
      await Promise.all([base.close(), adapter.close()]);
    },
  };
}

/** What the merged tensor looks like. */
function checkedPair(
  base: TensorFiles,
  adapter: TensorFiles,
  name: string,
  { a, b, transposed }: LoraPair,
  config: LoraConfig,
): TensorInfo {
  const where = `${adapter.name}: ${name}`;
  const stored = base.tensors.get(name);
  if (stored === undefined)
    throw new FormatError('structure', `${where}: the base ${base.name} has no such tensor: is it the base of this adapter?`);
  for (const info of [stored, a, b]) {
    if (info.shape.length !== 2 || !FLOATS.includes(info.type))
      throw new UnsupportedError(
        `${where}: got ${info.name} of ${info.type} [${info.shape.join(', ')}]: matrices of f32, f16 or bf16 are merged`,
      );
  }
  const flip = transposed || config.fanInFanOut;
  const product = [b.shape[0], a.shape[1]];
  const want = flip ? product.toReversed() : product;
  if (a.shape[0] !== b.shape[1] || a.shape[0] === 0 || stored.shape[0] !== want[0] || stored.shape[1] !== want[1]) {
    throw new FormatError(
      'structure',
      `${where}: got factors [${b.shape.join(', ')}] and [${a.shape.join(', ')}] for a matrix of [${stored.shape.join(', ')}]`,
    );
  }
  const type = stored.type === 'f16' ? 'f16' : 'f32';
  return { name, type, shape: stored.shape, bytes: storedBytes(where, type, stored.shape, 'structure') };
}

async function readFactors(adapter: TensorFiles, name: string, pair: LoraPair, config: LoraConfig): Promise<Factors> {
  const values = async (info: TensorInfo): Promise<Float32Array> => {
    const bytes = new Uint8Array(info.bytes);
    await adapter.readInto(info, bytes);
    return widened(info.type, bytes);
  };
  const [a, b] = [await values(pair.a), await values(pair.b)];
  const r = pair.a.shape[0]!;
  const scale = config.alpha / (config.rankStabilized ? Math.sqrt(r) : r);
  // (B A)^T = A^T B^T: the factors change places.
  const flip = pair.transposed || config.fanInFanOut;
  const columns = new Float64Array(a.length);
  const width = a.length / r;
  for (let i = 0; i < a.length; i++) columns[(i % width) * r + Math.floor(i / width)] = a[i]!;
  const rows = new Float64Array(b);
  const [left, right] = flip ? [columns, rows] : [rows, columns];
  for (let i = 0; i < left.length; i++) left[i]! *= scale;
  return { name, r, left, right };
}

/**
 * values[i, j] += left[first + i] . right[j]. Tiles of 4 x 2 keep eight sums in registers: twice as fast as going row by row. At the ends a tile
 * computes its last row or column again and drops it.
 */
function addProduct(values: Float32Array, { r, left, right }: Factors, first: number, count: number, cols: number): void {
  // No destructuring below: engines build the array in each turn.
  const sums = new Float64Array(8);
  for (let i = 0; i < count; i += 4) {
    const a = (first + i) * r;
    const b = (first + Math.min(i + 1, count - 1)) * r;
    const c = (first + Math.min(i + 2, count - 1)) * r;
    const d = (first + Math.min(i + 3, count - 1)) * r;
    for (let j = 0; j < cols; j += 2) {
      tile(sums, left, right, r, a, b, c, d, j * r, Math.min(j + 1, cols - 1) * r);
      for (let n = 0; n < 8; n++) {
        const row = i + (n >> 1);
        const col = j + (n & 1);
        if (row < count && col < cols) values[row * cols + col]! += sums[n]!;
      }
    }
  }
}

/** The products of four rows of `left` (at a, b, c, d) and two of `right` (at p, q), row by row. */
function tile(
  sums: Float64Array,
  left: Float64Array,
  right: Float64Array,
  r: number,
  a: number,
  b: number,
  c: number,
  d: number,
  p: number,
  q: number,
): void {
  let a0 = 0;
  let a1 = 0;
  let b0 = 0;
  let b1 = 0;
  let c0 = 0;
  let c1 = 0;
  let d0 = 0;
  let d1 = 0;
  for (let k = 0; k < r; k++) {
    const x = right[p + k]!;
    const y = right[q + k]!;
    const la = left[a + k]!;
    const lb = left[b + k]!;
    const lc = left[c + k]!;
    const ld = left[d + k]!;
    a0 += la * x;
    a1 += la * y;
    b0 += lb * x;
    b1 += lb * y;
    c0 += lc * x;
    c1 += lc * y;
    d0 += ld * x;
    d1 += ld * y;
  }
  sums[0] = a0;
  sums[1] = a1;
  sums[2] = b0;
  sums[3] = b1;
  sums[4] = c0;
  sums[5] = c1;
  sums[6] = d0;
  sums[7] = d1;
}

/** Every binary16 as float32, made on first use: matrices have billions of values. */
let halves: Float32Array | null = null;

/** `bytes` must begin at a multiple of four in its buffer; the result of f32 is a view of it. */
function widened(type: StorageType, bytes: Uint8Array): Float32Array {
  if (type === 'f32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const values = new Float32Array(bits.length);
  if (type === 'bf16') {
    for (let i = 0; i < bits.length; i++) values[i] = bf16ToF32(bits[i]!);
    return values;
  }
  halves ??= Float32Array.from({ length: 65536 }, (_, i) => f16ToF32(i));
  for (let i = 0; i < bits.length; i++) values[i] = halves[bits[i]!]!;
  return values;
}

function narrowed(type: StorageType, values: Float32Array): Uint8Array {
  if (type !== 'f16') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  // Not `Uint16Array.from`: its iterator takes longer than the product.
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = f32ToF16(values[i]!);
  return new Uint8Array(bits.buffer);
}
