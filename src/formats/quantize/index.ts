// From float32 rows to the bytes of weight types that have a formula; byte for byte what llama.cpp writes. Types whose scales are searched for
// are the kernel's (graph/ops/quantizeBlocks.ts): src/convert/quantizer.ts takes any type.

import { FormatError, ShapeError, UnsupportedError } from '../../errors.ts';
import { f32ToBf16, f32ToF16 } from '../half.ts';
import { BLOCKS, type StorageType } from '../tensors.ts';
import { q4_0, q4_1, q5_0, q5_1, q8_0 } from './simple.ts';

/** Writes the blocks of one row, `x[from .. from + cols)`, at byte `at`. `importance`: a weight of each column, or null. */
export type QuantizeRow = (
  x: Float32Array,
  from: number,
  cols: number,
  importance: Float32Array | null,
  out: Uint8Array,
  at: number,
) => void;

const words =
  (bits: (value: number) => number): QuantizeRow =>
  (x, from, cols, _importance, out, at) => {
    for (let i = 0; i < cols; i++) {
      const word = bits(x[from + i]!);
      out[at + 2 * i] = word & 255;
      out[at + 2 * i + 1] = word >> 8;
    }
  };

const f32: QuantizeRow = (x, from, cols, _importance, out, at) => {
  out.set(new Uint8Array(x.buffer, x.byteOffset + 4 * from, 4 * cols), at);
};

const ROWS: ReadonlyMap<StorageType, QuantizeRow> = new Map<StorageType, QuantizeRow>([
  ['f32', f32],
  ['f16', words(f32ToF16)],
  ['bf16', words(f32ToBf16)],
  ['q4_0', q4_0],
  ['q4_1', q4_1],
  ['q5_0', q5_0],
  ['q5_1', q5_1],
  ['q8_0', q8_0],
]);

/** Types that the kernel writes, with importance or without. */
const KERNEL: ReadonlySet<StorageType> = new Set<StorageType>(['iq4_nl', 'iq4_xs', 'q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k']);

/** Whether weights can be written in a type. */
export const isWritable = (type: StorageType): boolean => ROWS.has(type) || KERNEL.has(type);

/**
 * Checks values that are to be stored in a type, f32 [x.length / cols, cols].
 * @throws UnsupportedError for types that hold no weights; ShapeError where rows are no whole blocks; FormatError `not_finite`
 */
export function checkWeights(type: StorageType, x: Float32Array, cols: number, importance: Float32Array | null): void {
  if (!isWritable(type)) throw new UnsupportedError(`quantize: got ${type}, one of ${[...ROWS.keys(), ...KERNEL].join(', ')} is expected`);
  const block = BLOCKS[type];
  const rows = x.length / cols;
  if (cols % block.values !== 0 || !Number.isInteger(rows))
    throw new ShapeError(`quantize: got ${x.length} values in rows of ${cols}, whole rows of a multiple of ${block.values} are expected`);
  if (importance !== null && importance.length !== cols)
    throw new ShapeError(`quantize: got ${importance.length} weights of columns, ${cols} are expected`);
  if (block.values === 1) return;
  for (let i = 0; i < x.length; i++) {
    if (!Number.isFinite(x[i]!))
      throw new FormatError(
        'not_finite',
        `quantize: got ${x[i]} in row ${Math.floor(i / cols)}, numbers are expected: is the file damaged?`,
      );
  }
}

/** Stores rows in a type that needs no search. Throws what `checkWeights` throws. */
export function quantize(
  type: StorageType,
  x: Float32Array,
  cols: number,
  importance: Float32Array | null = null,
): Uint8Array<ArrayBuffer> {
  checkWeights(type, x, cols, importance);
  const row = ROWS.get(type);
  if (row === undefined) throw new UnsupportedError(`quantize: ${type}: needs the kernel: use Quantizer`);
  const block = BLOCKS[type];
  const rows = x.length / cols;
  const rowBytes = (cols / block.values) * block.bytes;
  const out = new Uint8Array(rows * rowBytes);
  for (let r = 0; r < rows; r++) row(x, r * cols, cols, importance, out, r * rowBytes);
  return out;
}
