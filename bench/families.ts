// The work of whole models, kernel by kernel: every shape of CLIP-L, of language models of 0.5B, 1.8B and 7B, at 1, 8, 64 and 512 rows, with
// every type of weights. Many: `npm run bench -- --families --filter '7B q4'`.

import { linear } from '../src/graph/linear.ts';
import { activationOf } from '../src/graph/matmul.ts';
import { add } from '../src/graph/ops/add.ts';
import { geluQuick } from '../src/graph/ops/geluQuick.ts';
import { layerNorm } from '../src/graph/ops/layerNorm.ts';
import { rmsNorm } from '../src/graph/ops/rmsNorm.ts';
import { rope } from '../src/graph/ops/rope.ts';
import { siluMul } from '../src/graph/ops/siluMul.ts';
import { isBlockType, PACKED_BLOCKS, type PackedType } from '../src/graph/tensor.ts';
import { causal } from './attention.bench.ts';
import { type Case, opCase } from './harness.ts';
import { weightBytes } from './matmul.ts';

interface Family {
  readonly name: string;
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** A tower: LayerNorm and quick GELU instead of RMSNorm, RoPE and gated SiLU. */
  readonly tower?: boolean;
}

/** CLIP ViT-L, Qwen2-0.5B, Qwen1.5-1.8B, Vicuna-7B. */
const FAMILIES: readonly Family[] = [
  { name: 'CLIP-L', hidden: 1024, intermediate: 4096, heads: 16, kvHeads: 16, tower: true },
  { name: '0.5B', hidden: 896, intermediate: 4864, heads: 14, kvHeads: 2 },
  { name: '1.8B', hidden: 2048, intermediate: 5504, heads: 16, kvHeads: 16 },
  { name: '7B', hidden: 4096, intermediate: 11008, heads: 32, kvHeads: 32 },
];
const ROWS = [1, 8, 64, 512] as const;
const TYPES: readonly PackedType[] = [
  'packed-f32',
  'packed-f16',
  'packed-bf16',
  'packed-q8',
  'packed-q4',
  ...(Object.keys(PACKED_BLOCKS) as (keyof typeof PACKED_BLOCKS)[]),
];

/** Cases by op. */
export function* families(): Generator<{ readonly op: string; readonly case: Case }> {
  for (const f of FAMILIES) {
    for (const rows of ROWS) {
      const at = `${f.name}, ${rows} row${rows === 1 ? '' : 's'}`;
      for (const dtype of TYPES) {
        const type = dtype.slice('packed-'.length);
        for (const [k, n] of shapes(f)) {
          // Blocks of 256 columns do not divide every width.
          if (k % columns(dtype) === 0) yield { op: `matmul ${type}`, case: matmulCase(`${at}, ${k} -> ${n}`, dtype, rows, k, n) };
        }
      }
      const row = [rows, f.hidden] as const;
      if (f.tower) {
        yield { op: 'layerNorm', case: opCase(at, 'memory', layerNorm, { eps: 1e-5 }, [row, [f.hidden], [f.hidden]]) };
        yield { op: 'geluQuick', case: opCase(at, 'f32', geluQuick, {}, [[rows, f.intermediate]]) };
      } else {
        const [dim, wide] = [f.hidden / f.heads, [rows, f.intermediate] as const];
        yield { op: 'rmsNorm', case: opCase(at, 'memory', rmsNorm, { eps: 1e-5 }, [row, [f.hidden]]) };
        yield { op: 'rope', case: opCase(at, 'memory', rope, { heads: f.heads, dim, rotary: dim, pairing: 'half' }, [row, [rows, dim]]) };
        yield { op: 'siluMul', case: opCase(at, 'f32', siluMul, {}, [wide, wide]) };
        for (const kv of ['kv-f32', 'kv-f16', 'kv-q8'] as const)
          yield { op: 'attention', case: causal(f.name, kv, [f.heads, f.kvHeads, dim], rows, 512) };
      }
      yield { op: 'add', case: opCase(at, 'memory', add, {}, [row, row]) };
    }
  }
}

/** Columns come in whole blocks of so many. */
const columns = (dtype: PackedType): number => (isBlockType(dtype) ? PACKED_BLOCKS[dtype].cols : 32);

/** Inputs and outputs of the linear layers of a block. */
const shapes = (f: Family): (readonly [number, number])[] => [
  [f.hidden, f.hidden + (2 * f.hidden * f.kvHeads) / f.heads],
  [f.hidden, f.hidden],
  [f.hidden, f.tower ? f.intermediate : 2 * f.intermediate],
  [f.intermediate, f.hidden],
];

const matmulCase = (name: string, dtype: PackedType, rows: number, k: number, n: number): Case => ({
  name,
  bound: rows === 1 ? 'memory' : activationOf(dtype) === 'f32' ? 'f32' : 'i8',
  get inputs() {
    return { w: weightBytes(dtype, n, k) };
  },
  graph: (g) => [linear(g, g.input('x', 'f32', [rows, k]), g.input('w', dtype, [n, k]))],
});
