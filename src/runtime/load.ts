// Reads weights by range and packs them inside WASM: file -> staging piece -> packed layout. Never a whole file at once.
// What is packed in the file already (src/convert/packed.ts) goes straight to its place.

import { dequantize } from '../formats/dequantize.ts';
import { BLOCKS, type TensorFiles, type TensorInfo } from '../formats/tensors.ts';
import { fixedTensor, Graph, newCell } from '../graph/graph.ts';
import { pack } from '../graph/ops/pack.ts';
import { plan } from '../graph/plan.ts';
import { byteSize, colsOf, PACK_ROWS, type Tensor } from '../graph/tensor.ts';
import { LAYOUT, type WeightUse } from '../graph/weights.ts';
import type { Memory } from './memory.ts';

/** Bytes of a staging piece: large enough that threads seldom wait for each other and for the reader. */
const PIECE = 2 ** 22;
/** Packed weights are read in slices of so many bytes, so many at a time: most of the work is the first touch of memory. */
const SLICE = 2 ** 24;
const READERS = 4;

export interface LoadOptions {
  /** Called with stored bytes read so far and in all. */
  readonly onProgress?: (loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Places and fills the weights. Each must be new to its memory. */
export async function loadWeights(
  places: readonly { readonly memory: Memory; readonly use: WeightUse }[],
  options: LoadOptions = {},
): Promise<void> {
  const total = places.reduce((n, { use: u }) => n + u.parts.reduce((m, p) => m + p.info.bytes, 0), 0);
  let loaded = 0;
  const step = (bytes: number) => {
    loaded += bytes;
    options.onProgress?.(loaded, total);
    options.signal?.throwIfAborted();
  };
  const slices: Slice[] = [];
  for (const { memory, use } of places) {
    let row = 0;
    for (const { files, info } of use.parts) {
      if (use.form === 'plain') row = await loadPlain(memory, use.tensor, files, info, row, step);
      else {
        if (info.packed === undefined) await packRows(memory, use.tensor, files, info, row, step);
        else slices.push(...slicesOf(memory, use.tensor, files, info, row));
        row += info.shape[0] ?? 1;
      }
    }
  }
  await readSlices(slices, step);
}

/** A stretch of packed weights and its place. */
interface Slice {
  readonly memory: Memory;
  readonly at: number;
  readonly files: TensorFiles;
  readonly info: TensorInfo;
  readonly from: number;
  readonly size: number;
}

/** What a part that is packed in the file brings into the matrix from row `first` on. */
function slicesOf(memory: Memory, to: Tensor, files: TensorFiles, info: TensorInfo, first: number): Slice[] {
  const at = memory.address(to.storage) + (first / PACK_ROWS) * byteSize(to.dtype, [PACK_ROWS, colsOf(to.shape)]);
  return Array.from({ length: Math.ceil(info.bytes / SLICE) }, (_, i) => {
    const from = i * SLICE;
    return { memory, at: at + from, files, info, from, size: Math.min(SLICE, info.bytes - from) };
  });
}

/** Reads several slices at a time, of whatever matrices they are. */
async function readSlices(slices: readonly Slice[], step: (bytes: number) => void): Promise<void> {
  let next = 0;
  const reader = async () => {
    for (let s = slices[next++]; s !== undefined; s = slices[next++]) {
      await s.files.readInto(s.info, s.memory.bytes.subarray(s.at, s.at + s.size), s.from);
      step(s.size);
    }
  };
  try {
    await Promise.all(Array.from({ length: READERS }, reader));
  } finally {
    next = slices.length;
  }
}

/** Writes one part from element `first` on; returns the element after it. */
async function loadPlain(
  memory: Memory,
  to: Tensor,
  files: TensorFiles,
  info: TensorInfo,
  first: number,
  step: (bytes: number) => void,
): Promise<number> {
  const bytes = new Uint8Array(info.bytes);
  await files.readInto(info, bytes);
  const values = dequantize(info.type, bytes);
  memory.write(memory.address(to.storage) + to.offset + 4 * first, to, values);
  step(info.bytes);
  return first + values.length;
}

/** Packs stored rows into the matrix from row `first` on, piece by piece. While the threads pack one piece, the next is read. */
export async function packRows(
  memory: Memory,
  to: Tensor,
  files: TensorFiles,
  info: TensorInfo,
  first: number,
  step: (bytes: number) => void,
): Promise<void> {
  const rows = info.shape[0] ?? 1;
  const cols = info.shape.slice(1).reduce((a, b) => a * b, 1);
  const block = BLOCKS[info.type];
  const rowBytes = (cols / block.values) * block.bytes;
  // What the layout is not made for goes through f32.
  const native = LAYOUT[info.type] === to.dtype;
  const stagedBytes = native ? rowBytes : cols * 4;
  const most = Math.ceil(rows / PACK_ROWS) * PACK_ROWS;
  const piece = Math.min(most, Math.max(PACK_ROWS, Math.floor(PIECE / rowBytes / PACK_ROWS) * PACK_ROWS));
  const count = newCell('rows of the piece', piece);
  const start = newCell('first row of the piece', 2 ** 31 - 1);
  const staging = [0, 1].map((i) => fixedTensor(`piece ${i}`, 'u8', [piece, stagedBytes]));
  const programs = staging.map((from) => {
    const g = new Graph('pack');
    g.addAll(pack, [from, to], { from: native ? info.type : 'f32', firstRow: start, rows: count, cols });
    return memory.install(plan(g));
  });
  let running: Promise<unknown> = Promise.resolve();
  try {
    for (let r = 0, turn = 0; r < rows; r += piece, turn ^= 1) {
      const here = Math.min(piece, rows - r);
      const at = memory.address(staging[turn]!.storage);
      const target = memory.bytes.subarray(at, at + here * stagedBytes);
      if (native) await files.readInto(info, target, r * rowBytes);
      else {
        const stored = new Uint8Array(here * rowBytes);
        await files.readInto(info, stored, r * rowBytes);
        const values = dequantize(info.type, stored);
        target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
      await running;
      memory.setCell(count, here);
      memory.setCell(start, first + r);
      running = memory.run(programs[turn]!);
      step(here * rowBytes);
    }
  } finally {
    await running;
    for (const p of programs) memory.uninstall(p);
    for (const t of staging) memory.release(t.storage);
    for (const c of [count, start]) memory.forget(c);
  }
}
