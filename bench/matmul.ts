// Cases of the matmul family: random weights of any packed layout on shapes of Vicuna-7B and of CLIP ViT-L.

import { random } from '../kernels-tests/random.ts';
import { linear } from '../src/graph/linear.ts';
import { activationOf } from '../src/graph/matmul.ts';
import { byteSize, isBlockType, PACKED_BLOCKS, type PackedType } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';

/** Bytes of a weight whose half floats are ordinary numbers: 2 ** -6 or so. */
export function weightBytes(dtype: PackedType, n: number, k: number): Uint8Array {
  if (dtype === 'packed-f32') return new Uint8Array(random(n * k, 1).buffer);
  const bytes = new Uint8Array(byteSize(dtype, [n, k]));
  const halves = new Uint16Array(bytes.buffer);
  const group = isBlockType(dtype) ? PACKED_BLOCKS[dtype].bytes / 2 : dtype === 'packed-q8' ? 136 : dtype === 'packed-q4' ? 72 : 1;
  // Blocks begin with 8 half floats, or 16: what follows may be one, too.
  const halvesOf = isBlockType(dtype) ? 16 : 8;
  for (let i = 0, s = 1; i < halves.length; i++) {
    s = (s * 1103515245 + 12345) >>> 0;
    halves[i] = i % group < halvesOf ? 0x2400 | (s >>> 22) : s >>> 16;
  }
  return bytes;
}

const SHAPES = [
  ['Vicuna-7B q_proj, 128 rows', 128, 4096, 4096],
  ['Vicuna-7B q_proj, 4 rows', 4, 4096, 4096],
  ['CLIP ViT-L fc1, 577 rows', 577, 1024, 4096],
  ['Vicuna-7B lm_head, 1 row', 1, 4096, 32000],
] as const;

/** Includes the quantization of the rows, where the weight needs it. */
export function matmulCases(dtype: PackedType): readonly Case[] {
  const quantized = activationOf(dtype) !== 'f32';
  return SHAPES.map(([name, rows, k, n]) => ({
    name: isBlockType(dtype) || dtype === 'packed-bf16' ? `${dtype} ${name}` : name,
    bound: rows === 1 ? 'memory' : quantized ? 'i8' : 'f32',
    get inputs() {
      return { w: weightBytes(dtype, n, k) };
    },
    graph: (g) => [linear(g, g.input('x', 'f32', [rows, k]), g.input('w', dtype, [n, k]))],
  }));
}
