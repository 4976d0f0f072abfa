// Tensors that are parts of others, or others transposed: odd layouts become plain linear layers before anybody asks for them.

import { FormatError } from '../errors.ts';
import { dequantize } from './dequantize.ts';
import { BLOCKS, type StorageType, type TensorFiles, type TensorInfo } from './tensors.ts';

/** A tensor made of another: `count` rows from `from` on, entry `at` of the first axis without that axis, or all of it transposed (of a matrix). */
export type View =
  | { readonly name: string; readonly of: string; readonly at: number }
  | { readonly name: string; readonly of: string; readonly from: number; readonly count: number }
  | { readonly name: string; readonly of: string; readonly transposed: true };

/**
 * The files with the views in place of the tensors that they are made of. Views of tensors that are not there are left out.
 * A transposed tensor keeps its type when its values are whole bytes, else it is f32; it is held in memory until its last byte is read.
 * @throws FormatError where a tensor has not the rows or axes that a view takes
 */
export function withViews(files: TensorFiles, views: readonly View[]): TensorFiles {
  const tensors = new Map(files.tensors);
  const readers = new Map<string, TensorFiles['readInto']>();
  for (const v of views) {
    const whole = files.tensors.get(v.of);
    if (!whole) continue;
    tensors.delete(v.of);
    const made =
      'transposed' in v
        ? transposed(files, v.name, whole)
        : 'at' in v
          ? entry(files, v, whole)
          : slice(files, v.name, whole, v.from, v.count);
    tensors.set(v.name, made.info);
    readers.set(v.name, made.readInto);
  }
  return {
    name: files.name,
    tensors,
    readInto: (info, target, from) => (readers.get(info.name) ?? files.readInto.bind(files))(info, target, from),
    close: () => files.close(),
  };
}

interface Made {
  readonly info: TensorInfo;
  readonly readInto: TensorFiles['readInto'];
}

function slice(files: TensorFiles, name: string, whole: TensorInfo, from: number, count: number): Made {
  const [rows = 0, ...rest] = whole.shape;
  if (from + count > rows)
    throw new FormatError(
      'structure',
      `${files.name}: ${whole.name}: has too few rows: got [${whole.shape}], expected ${from + count} or more`,
    );
  const rowBytes = whole.bytes / rows;
  return {
    info: { name, type: whole.type, shape: [count, ...rest], bytes: count * rowBytes },
    readInto: (_, target, at = 0) => files.readInto(whole, target, from * rowBytes + at),
  };
}

function entry(files: TensorFiles, { name, at }: { readonly name: string; readonly at: number }, whole: TensorInfo): Made {
  const { info, readInto } = slice(files, name, whole, at, 1);
  return { info: { ...info, shape: info.shape.slice(1) }, readInto };
}

const COPIED: readonly StorageType[] = ['f32', 'f16', 'bf16'];

function transposed(files: TensorFiles, name: string, whole: TensorInfo): Made {
  const [rows, cols] = whole.shape;
  if (whole.shape.length !== 2 || !rows || !cols)
    throw new FormatError('structure', `${files.name}: ${whole.name}: is no matrix: got [${whole.shape}]`);
  const type = COPIED.includes(whole.type) ? whole.type : 'f32';
  const bytes = rows * cols * BLOCKS[type].bytes;
  let turned: Promise<Uint8Array> | undefined;
  const turn = async () => {
    const stored = new Uint8Array(whole.bytes);
    await files.readInto(whole, stored);
    const values =
      type !== whole.type
        ? dequantize(whole.type, stored)
        : type === 'f32'
          ? new Uint32Array(stored.buffer)
          : new Uint16Array(stored.buffer);
    return transpose(values, rows, cols);
  };
  return {
    info: { name, type, shape: [cols, rows], bytes },
    async readInto(_, target, at = 0) {
      turned ??= turn();
      const all = await turned;
      target.set(all.subarray(at, at + target.byteLength));
      if (at + target.byteLength === bytes) turned = undefined;
    },
  };
}

/** Bytes of [cols, rows] from the values of [rows, cols]. */
function transpose(x: Float32Array | Uint32Array | Uint16Array, rows: number, cols: number): Uint8Array {
  const y = new (x.constructor as new (n: number) => typeof x)(x.length);
  // Squares of 32: reading and writing both stay in cache.
  for (let r = 0; r < rows; r += 32) {
    for (let c = 0; c < cols; c += 32) {
      for (let i = r; i < Math.min(r + 32, rows); i++) for (let j = c; j < Math.min(c + 32, cols); j++) y[j * rows + i] = x[i * cols + j]!;
    }
  }
  return new Uint8Array(y.buffer);
}
