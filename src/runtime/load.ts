// Reads weights by range and packs them inside WASM: file -> staging piece -> packed layout. Never a whole file at once.

import { dequantize } from '../formats/dequantize.ts';
import { BLOCKS, type TensorFiles, type TensorInfo } from '../formats/tensors.ts';
import { Graph } from '../graph/graph.ts';
import { pack } from '../graph/ops/pack.ts';
import { plan } from '../graph/plan.ts';
import { PACK_ROWS, type Tensor } from '../graph/tensor.ts';
import { LAYOUT, type WeightUse } from '../graph/weights.ts';
import type { Memory } from './memory.ts';

/** Bytes of a staging piece: small enough to stay in cache between reading and packing. */
const PIECE = 2 ** 20;

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
  for (const { memory, use } of places) {
    let row = 0;
    for (const { files, info } of use.parts) {
      if (use.form === 'plain') row = await loadPlain(memory, use.tensor, files, info, row, step);
      else row = await loadPacked(memory, use.tensor, files, info, row, step);
    }
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

/** Packs one part from row `first` of the packed matrix on; returns the row after it. */
async function loadPacked(
  memory: Memory,
  to: Tensor,
  files: TensorFiles,
  info: TensorInfo,
  first: number,
  step: (bytes: number) => void,
): Promise<number> {
  const rows = info.shape[0] ?? 1;
  const cols = info.shape.slice(1).reduce((a, b) => a * b, 1);
  const block = BLOCKS[info.type];
  const rowBytes = (cols / block.values) * block.bytes;
  // What the layout is not made for goes through f32.
  const native = LAYOUT[info.type] === to.dtype;
  const stagedBytes = native ? rowBytes : cols * 4;
  const piece = Math.max(PACK_ROWS, Math.floor(PIECE / rowBytes / PACK_ROWS) * PACK_ROWS);
  for (let r = 0; r < rows; r += piece) {
    const count = Math.min(piece, rows - r);
    const g = new Graph('pack');
    const staging = g.input('stored', 'u8', [count, stagedBytes]);
    g.addAll(pack, [staging, to], { from: native ? info.type : 'f32', firstRow: first + r, rows: count, cols });
    const program = memory.install(plan(g));
    const at = memory.find(program, staging)!;
    const target = memory.bytes.subarray(at, at + count * stagedBytes);
    if (native) await files.readInto(info, target, r * rowBytes);
    else {
      const stored = new Uint8Array(count * rowBytes);
      await files.readInto(info, stored, r * rowBytes);
      const values = dequantize(info.type, stored);
      target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    await memory.run(program);
    memory.uninstall(program);
    step(count * rowBytes);
  }
  return first + rows;
}
