// kvWrite: rows of keys and values enter their caches: row r goes to cache row at + r
//
//   in0, in1  f32 [rows, heads * dim]   k, v; rows: cell; rows lie P3 and P4 elements apart
//   in2, in3  kv                        caches of kind P5 and P2 rows (layout.ts)
//   COLS dim; P0 heads; P1 at: cell
//
// (head, row) pairs are split over threads. Padding up to a multiple of 8 elements is written as zeros.

import { COLS, IN0, IN1, IN2, IN3, P0, P1, P2, P3, P4, P5, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';
import { KV_F16, KV_F32 } from './layout.ts';

export function kvWrite(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    dim = load<i32>(op, COLS),
    padded = (dim + 7) & ~7;
  const heads = load<i32>(op, P0),
    at = load<i32>(load<usize>(op, P1)),
    capacity = load<i32>(op, P2),
    kind = load<i32>(op, P5);
  const kCache = load<usize>(op, IN2),
    vCache = load<usize>(op, IN3);
  const unit: usize = kind == KV_F32 ? 4 : kind == KV_F16 ? 2 : 1;
  const scales = <usize>(heads * capacity) * <usize>padded;

  const end = firstRow(heads * rows, thread + 1, threads);
  for (let i = firstRow(heads * rows, thread, threads); i < end; i++) {
    const h = i / rows,
      r = i - h * rows,
      key = at + r,
      row = h * capacity + key;
    const k = load<usize>(op, IN0) + ((<usize>(r * load<i32>(op, P3) + h * dim)) << 2);
    const v = load<usize>(op, IN1) + ((<usize>(r * load<i32>(op, P4) + h * dim)) << 2);
    const kGroup = kCache + <usize>(row & ~7) * <usize>padded * unit,
      lane = <usize>(key & 7);
    if (kind == KV_F32 || kind == KV_F16) {
      const vRow = vCache + <usize>row * <usize>padded * unit;
      for (let c = 0; c < padded; c++) {
        const from = (<usize>c) << 2,
          kTo = kGroup + (<usize>c * 8 + lane) * unit,
          vTo = vRow + <usize>c * unit;
        const x: f32 = c < dim ? load<f32>(k + from) : 0,
          y: f32 = c < dim ? load<f32>(v + from) : 0;
        if (kind == KV_F32) {
          store<f32>(kTo, x);
          store<f32>(vTo, y);
        } else {
          store<u16>(kTo, half(x));
          store<u16>(vTo, half(y));
        }
      }
    } else {
      const vPair = vCache + <usize>(row & ~1) * <usize>padded + <usize>(key & 1);
      const kFactor = quantization(k, dim, kCache + scales + ((<usize>row) << 2));
      const vFactor = quantization(v, dim, vCache + scales + ((<usize>row) << 2));
      for (let c = 0; c < padded; c++) {
        const from = (<usize>c) << 2;
        store<i8>(kGroup + <usize>(c >> 1) * 16 + lane * 2 + <usize>(c & 1), c < dim ? <i8>nearest(load<f32>(k + from) * kFactor) : 0);
        store<i8>(vPair + <usize>c * 2, c < dim ? <i8>nearest(load<f32>(v + from) * vFactor) : 0);
      }
    }
  }
}

/** Stores the scale of a head's row and returns its inverse. A row too small for an inverse counts as zeros. */
function quantization(x: usize, dim: i32, scale: usize): f32 {
  let most: f32 = 0;
  for (const end = x + ((<usize>dim) << 2); x < end; x += 4) most = max(most, abs(load<f32>(x)));
  store<f32>(scale, most / 127);
  return most < 1e-30 ? 0 : 127 / most;
}

/** f32 to the f16 of layout.ts: nearest even, below 2^-18 zero, beyond +-8188 clamped. */
function half(x: f32): u16 {
  const bits = reinterpret<u32>(x),
    size = <i32>(bits & 0x7fffffff);
  const sign = <u16>((bits >> 16) & 0x8000);
  if (size < 0x36800000) return sign;
  if (size >= 0x45ffe000) return sign | 0x7fff;
  return sign | <u16>((size - 0x36000000 + 0xfff + ((size >> 13) & 1)) >> 13);
}
