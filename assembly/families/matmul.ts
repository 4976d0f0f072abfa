// The walk that all matmuls share: out[r][o] = sum_k x[r][k] w[o][k] (+ bias[o]) (+ residual[r][o])
//
//   P0                outputs n
//   P1                float weights: bytes from one row of x to the next
//   P2, P3            address of bias f32 [n] or 0, address of residual f32 [rows, n] or 0 (out may be the residual)
//
// Weights lie in groups of 8 outputs; groups are split over threads, sums never are. Many rows: a stretch of a group is unpacked once into
// a panel that stays in the first-level cache, and tiles of 8 outputs x 4 rows run over it. Fewer than 4 rows: each reads the packed weights.
// Both add the same terms in the same order to sums f32 [rows][8] in scratch: a result does not depend on the rows beside it.

import { Brain, Half, rowF16, unpackF16 } from '../kernels/matmul/matmulF16.ts';
import { rowF32, tileF32 } from '../kernels/matmul/matmulF32.ts';
import { One, rowQ4, Two, unpackQ4 } from '../kernels/matmul/matmulQ4.ts';
import { rowQ8, tileQ8, unpackQ8 } from '../kernels/matmul/matmulQ8.ts';
import { COLS, IN0, IN1, OUT, P0, P1, P2, P3, ROWS, SCRATCH, SCRATCH_STRIDE } from '../program.ts';
import { firstRow } from '../split.ts';
import { PACKED_BF16, PACKED_F16, PACKED_F32, PACKED_Q4, PACKED_Q4_1, PACKED_Q8 } from '../storage.ts';
import { blockAt, hasMins, hasTable, isSuper } from './blocks.ts';
import { CONSTANTS, constants, HALF_MASK } from './constants.ts';
import { MINS, PANEL, Q4_GROUP, Q8_BYTES, Q8_GROUP, STRETCH, SUPER_BYTES } from './layouts.ts';
import { rowBlock } from './rowBlocks.ts';
import { tileQ } from './tileQ.ts';
import { blockConstants, unpackBlocks } from './unpackBlocks.ts';

/** Bytes of activations that stay in the second-level cache while the weights stream by. */
const CACHED: usize = 393216;

export function matmul(op: usize, thread: i32, threads: i32, packed: i32): void {
  const short = packed == PACKED_F16 || packed == PACKED_BF16;
  const floats = packed == PACKED_F32 || short;
  const blocks = packed >= PACKED_Q4_1;
  const wide = isSuper(packed);
  // Of blocks of 32: super-blocks have theirs in their own sums.
  const mins = !wide && hasMins(packed);
  const rows = load<i32>(load<usize>(op, ROWS));
  // A unit is a column of float weights, the columns under one scale of quantized ones: 32, or 256 of super-blocks.
  const cols = <usize>load<i32>(op, COLS);
  const units = floats ? cols : wide ? cols >> 8 : cols >> 5;
  const unit: usize = packed == PACKED_F32 ? 32 : short ? 16 : packed == PACKED_Q8 ? Q8_GROUP : Q4_GROUP;
  const xUnit: usize = floats ? 4 : wide ? SUPER_BYTES : Q8_BYTES;
  const stride = floats ? load<usize>(op, P1) : units * xUnit;
  const c = load<usize>(op, SCRATCH) + <usize>thread * load<usize>(op, SCRATCH_STRIDE);
  const panel = c + CONSTANTS;
  const panelMins = panel + PANEL;
  const sums = panelMins + MINS;
  constants(c);
  if (blocks) blockConstants(c, packed);
  if (packed == PACKED_BF16) v128.store(c, i32x4.splat(0xffff0000), HALF_MASK);

  const twoPlanes = packed == PACKED_Q8 || (!wide && hasTable(packed));
  const groups = (load<i32>(op, P0) + 7) >> 3;
  const lastGroup = firstRow(groups, thread + 1, threads);
  const step = max<usize>(32, CACHED / stride) & ~3;
  for (let first: usize = 0; first < <usize>rows; first += step) {
    const count = min(step, <usize>rows - first);
    const tiled = count & ~3;
    const pairs = (short || packed == PACKED_Q4) && tiled == 0;
    const x = load<usize>(op, IN0) + first * stride;
    for (let g = firstRow(groups, thread, threads); g < lastGroup; g += pairs ? 2 : 1) {
      const two = pairs && g + 1 < lastGroup;
      const w = load<usize>(op, IN1) + (blocks ? blockAt(packed, (<usize>g * cols) >> 5) : <usize>g * units * unit);
      // Mins have sums of their own, behind those of the levels and of one row more.
      const minSums = sums + ((count + 1) << 5);
      if (tiled != 0 || floats) memory.fill(sums, 0, (2 * count + 1) << 5);
      if (tiled != 0) {
        const most: usize = floats ? 512 : wide ? STRETCH >> 3 : STRETCH;
        for (let u: usize = 0; u < units; u += most) {
          const n = min(most, units - u);
          let p = panel;
          switch (packed) {
            case PACKED_F32:
              p = w + u * unit;
              break;
            case PACKED_F16:
              unpackF16<Half>(w + u * unit, n, p, c);
              break;
            case PACKED_BF16:
              unpackF16<Brain>(w + u * unit, n, p, c);
              break;
            case PACKED_Q8:
              unpackQ8(w + u * unit, n, p, c);
              break;
            default:
              if (blocks) unpackBlocks(packed, w, u, n, p, panelMins, c);
              else unpackQ4(w + u * unit, n, p, c);
              break;
          }
          for (let r: usize = 0; r < tiled; r += 4) {
            const a = x + r * stride + u * xUnit,
              s = sums + (r << 5);
            if (floats) tileF32(p, a, stride, 4, n, s);
            else if (ASC_FEATURE_RELAXED_SIMD && twoPlanes) tileQ8(p, a, stride, n, s, c);
            else tileQ(packed, p, a, stride, n, s, c);
            if (mins) tileF32(panelMins, a + xUnit - 4, stride, xUnit, n, minSums + (r << 5));
          }
        }
      }
      for (let r = tiled; r < count; r++) {
        const a = x + r * stride,
          s = sums + (r << 5);
        switch (packed) {
          case PACKED_F32:
            rowF32(w, a, 4, units, s);
            break;
          case PACKED_F16:
            rowF16<Half>(w, two ? w + units * unit : w, a, units, s, two ? s + (count << 5) : s, c);
            break;
          case PACKED_BF16:
            rowF16<Brain>(w, two ? w + units * unit : w, a, units, s, two ? s + (count << 5) : s, c);
            break;
          case PACKED_Q8:
            rowQ8(w, a, units, s, c);
            break;
          default:
            if (blocks) rowBlock(packed, w, a, cols >> 5, s, minSums + (r << 5), c);
            else if (two) rowQ4<Two>(w, w + units * unit, a, units, s, s + (count << 5), c);
            else rowQ4<One>(w, w, a, units, s, s, c);
            break;
        }
      }
      if (mins) {
        for (let i: usize = 0; i < count << 5; i += 16) v128.store(sums + i, f32x4.add(v128.load(sums + i), v128.load(minSums + i)));
      }
      finish(op, g, first, count, sums);
      if (two) finish(op, g + 1, first, count, sums + (count << 5));
    }
  }
}

/** out = sums (+ bias) (+ residual) for the 8 outputs of a group: rows first .. first + count. */
function finish(op: usize, group: i32, first: usize, count: usize, sums: usize): void {
  const n = load<i32>(op, P0);
  const column = (<usize>group) << 5;
  const stride = (<usize>n) << 2;
  const at = first * stride + column;
  const bias = load<usize>(op, P2);
  const residual = load<usize>(op, P3);
  const width = min(8, n - (group << 3));
  for (let r: usize = 0; r < count; r++) {
    const y = load<usize>(op, OUT) + at + r * stride;
    const z = residual + at + r * stride;
    const s = sums + (r << 5);
    if (width == 8) {
      let a = v128.load(s),
        b = v128.load(s, 16);
      if (bias != 0) {
        a = f32x4.add(a, v128.load(bias + column));
        b = f32x4.add(b, v128.load(bias + column, 16));
      }
      if (residual != 0) {
        a = f32x4.add(a, v128.load(z));
        b = f32x4.add(b, v128.load(z, 16));
      }
      v128.store(y, a);
      v128.store(y, b, 16);
    } else {
      for (let i: usize = 0; i < <usize>width; i++) {
        let a = load<f32>(s + (i << 2));
        if (bias != 0) a += load<f32>(bias + column + (i << 2));
        if (residual != 0) a += load<f32>(z + (i << 2));
        store<f32>(y + (i << 2), a);
      }
    }
  }
}
