// The work of whole models, kernel by kernel: every shape of CLIP-L/336, of language models of 0.5B, 1.8B and 7B, at 1, 8, 64 and 512 rows,
// with every type of weights. Many: `npm run bench -- --families --filter '7B q4'`.

import type { KvType } from '../src/graph/kv.ts';
import { linear } from '../src/graph/linear.ts';
import { activationOf } from '../src/graph/matmul.ts';
import { add } from '../src/graph/ops/add.ts';
import { argmax } from '../src/graph/ops/argmax.ts';
import { concatRows } from '../src/graph/ops/concatRows.ts';
import { gelu } from '../src/graph/ops/gelu.ts';
import { geluQuick } from '../src/graph/ops/geluQuick.ts';
import { lastRow } from '../src/graph/ops/lastRow.ts';
import { layerNorm } from '../src/graph/ops/layerNorm.ts';
import { patchRows } from '../src/graph/ops/patchRows.ts';
import { quantizeRows } from '../src/graph/ops/quantizeRows.ts';
import { rmsNorm } from '../src/graph/ops/rmsNorm.ts';
import { rope } from '../src/graph/ops/rope.ts';
import { ropeTable } from '../src/graph/ops/ropeTable.ts';
import { siluMul } from '../src/graph/ops/siluMul.ts';
import { byteSize, isBlockType, PACKED_BLOCKS, type PackedType } from '../src/graph/tensor.ts';
import { causal, full } from './attention.bench.ts';
import { embedCase } from './embed.bench.ts';
import { type Case, opCase } from './harness.ts';
import { kvCase } from './kvWrite.bench.ts';
import { weightBytes } from './matmul.ts';

interface Family {
  readonly name: string;
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** A tower of so many rows: LayerNorm and quick GELU instead of RMSNorm, RoPE and gated SiLU, and every row sees all. */
  readonly tower?: { readonly rows: number; readonly image: number; readonly patch: number };
  /** Rows of the head. */
  readonly vocabulary?: number;
}

/** CLIP ViT-L, Qwen2-0.5B, Qwen1.5-1.8B, Vicuna-7B. */
const FAMILIES: readonly Family[] = [
  { name: 'CLIP-L', hidden: 1024, intermediate: 4096, heads: 16, kvHeads: 16, tower: { rows: 577, image: 336, patch: 14 } },
  { name: '0.5B', hidden: 896, intermediate: 4864, heads: 14, kvHeads: 2, vocabulary: 151936 },
  { name: '1.8B', hidden: 2048, intermediate: 5504, heads: 16, kvHeads: 16, vocabulary: 151936 },
  { name: '7B', hidden: 4096, intermediate: 11008, heads: 32, kvHeads: 32, vocabulary: 32000 },
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

const CACHES: readonly KvType[] = ['kv-f32', 'kv-f16', 'kv-q8'];
/** Rows in the cache before those of a case. */
const PAST = 512;
/** A head of more bytes is left out: with f32 weights it would fill the memory of a case. */
const LARGEST = 2 ** 29;

interface Named {
  readonly op: string;
  readonly case: Case;
}

/** Cases by op. */
export function* families(): Generator<Named> {
  for (const f of FAMILIES) {
    yield* once(f);
    for (const rows of ROWS) {
      const at = `${f.name}, ${rows} row${rows === 1 ? '' : 's'}`;
      for (const dtype of TYPES) for (const [k, n] of shapes(f)) yield* product(at, dtype, rows, k, n);
      const [row, wide] = [[rows, f.hidden] as const, [rows, f.intermediate] as const];
      for (const per of [32, 256] as const)
        if (f.hidden % per === 0) yield { op: 'quantizeRows', case: opCase(`${at}, by ${per}`, 'memory', quantizeRows, { per }, [row]) };
      yield { op: 'add', case: opCase(at, 'memory', add, {}, [row, row]) };
      const dim = f.hidden / f.heads;
      if (f.tower) {
        yield { op: 'layerNorm', case: opCase(at, 'memory', layerNorm, { eps: 1e-5 }, [row, [f.hidden], [f.hidden]]) };
        yield { op: 'geluQuick', case: opCase(at, 'f32', geluQuick, {}, [wide]) };
        yield { op: 'attention', case: full(f.name, [f.heads, f.kvHeads, dim], rows, f.tower.rows) };
        yield { op: 'kvWrite', case: kvCase(f.name, 'kv-f32', f.kvHeads, dim, rows) };
        continue;
      }
      yield { op: 'rmsNorm', case: opCase(at, 'memory', rmsNorm, { eps: 1e-5 }, [row, [f.hidden]]) };
      yield { op: 'rope', case: opCase(at, 'memory', rope, { heads: f.heads, dim, rotary: dim, pairing: 'half' }, [row, [rows, dim]]) };
      yield { op: 'ropeTable', case: opCase(at, 'f32', ropeTable, {}, [new Int32Array(rows).map((_, i) => i), [dim / 2]]) };
      yield { op: 'siluMul', case: opCase(at, 'f32', siluMul, {}, [wide, wide]) };
      yield { op: 'lastRow', case: opCase(at, 'memory', lastRow, {}, [row]) };
      yield { op: 'embed', case: embedCase(f.name, 'packed-q4', f.hidden, rows) };
      for (const kv of CACHES) {
        yield { op: 'attention', case: causal(f.name, kv, [f.heads, f.kvHeads, dim], rows, PAST) };
        yield { op: 'kvWrite', case: kvCase(f.name, kv, f.kvHeads, dim, rows) };
      }
    }
  }
}

/** What a picture or a token has once: patches and the projector's GELU; the head. */
function* once(f: Family): Generator<Named> {
  if (f.tower) {
    const { rows, image, patch } = f.tower;
    const params = { channels: 3, height: image, width: image, patch };
    yield { op: 'patchRows', case: opCase(f.name, 'memory', patchRows, params, [[3 * image, image]]) };
    yield { op: 'concatRows', case: opCase(f.name, 'memory', concatRows, {}, [[f.hidden], [rows - 1, f.hidden]]) };
    for (const l of FAMILIES.filter((other) => !other.tower))
      yield { op: 'gelu', case: opCase(`projector of ${l.name}, ${rows - 1} rows`, 'f32', gelu, {}, [[rows - 1, l.hidden]]) };
  } else if (f.vocabulary !== undefined) {
    const n = f.vocabulary;
    for (const dtype of TYPES) if (byteSize(dtype, [n, f.hidden]) <= LARGEST) yield* product(`${f.name}, head`, dtype, 1, f.hidden, n);
    yield { op: 'argmax', case: opCase(`${f.name}, ${n} logits`, 'memory', argmax, {}, [[1, n]]) };
  }
}

/** Nothing where blocks of 256 columns do not divide the width. */
function* product(at: string, dtype: PackedType, rows: number, k: number, n: number): Generator<Named> {
  const type = dtype.slice('packed-'.length);
  if (k % columns(dtype) === 0) yield { op: `matmul ${type}`, case: matmulCase(`${at}, ${k} -> ${n}`, dtype, rows, k, n) };
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
