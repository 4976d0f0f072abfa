// LoRA merged at load: a view of a base's tensors that gives W + s B A row by row as it is read, s = alpha / r. Nothing is merged before it is asked for,
// so the base never lies in memory twice.
//
// The sum is f16 where the base is f16 (the merged tensor keeps its size), else f32. bf16 becomes f32, since its eight bits would swallow most of an
// adapter.

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

/** values [rows, cols] += left [rows, depth] right [cols, depth]ᵀ, all f32: what `addProduct` of the runtime does with its kernels. */
export type AddProduct = (values: Float32Array, left: Float32Array, right: Float32Array, depth: number) => Promise<void>;

/** delta[row, col] = sum over k of left[row * r + k] * right[col * r + k], scaled already. */
interface Factors {
  readonly name: string;
  readonly r: number;
  readonly left: Float32Array;
  readonly right: Float32Array;
}

const FLOATS: readonly StorageType[] = ['f32', 'f16', 'bf16'];

/**
 * The tensors of `base` with the products of `pairs` added; `pairs` is keyed by the base's tensor names. Closing the view closes both sets.
 * @throws FormatError `structure` for a name that the base lacks or shapes that do not fit; UnsupportedError for tensors that are no float matrices
 */
export function mergedLora(
  base: TensorFiles,
  adapter: TensorFiles,
  pairs: ReadonlyMap<string, LoraPair>,
  config: LoraConfig,
  addProduct: AddProduct = plainProduct,
): TensorFiles {
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
      const { left, right, r } = await factorsOf(tensor.name, pair);
      await addProduct(values, left.subarray(first * r, (first + count) * r), right, r);
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
  const columns = new Float32Array(a.length);
  const width = a.length / r;
  for (let i = 0; i < a.length; i++) columns[(i % width) * r + Math.floor(i / width)] = a[i]!;
  const [left, right] = flip ? [columns, b] : [b, columns];
  for (let i = 0; i < left.length; i++) left[i]! *= scale;
  return { name, r, left, right };
}

/** The definition, for whom no kernels are at hand: right and slow. */
const plainProduct: AddProduct = async (values, left, right, depth) => {
  const cols = right.length / depth;
  for (let i = 0; i < values.length; i++) {
    const [a, b] = [Math.floor(i / cols) * depth, (i % cols) * depth];
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += left[a + k]! * right[b + k]!;
    values[i]! += sum;
  }
};

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
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fffffff;
    // Normal numbers of both formats, as all but a few weights are: round the 13 bits away, to even on ties.
    bits[i] =
      magnitude >= 0x38800000 && magnitude < 0x477ff000
        ? ((word >>> 16) & 0x8000) | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
        : f32ToF16(values[i]!);
  }
  return new Uint8Array(bits.buffer);
}
