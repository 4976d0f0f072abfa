// kvWrite: rows of keys and values enter their caches: row r goes to cache row at + r
//
//   in0, in1  f32 [rows, heads * dim]   k, v; rows: cell; rows lie P3 and P4 elements apart
//   in2, in3  kv                        caches of kind P5 and P2 rows (layout.ts)
//   COLS dim; P0 heads; P1 at: cell
//
// (head, row) pairs are split over threads. Padding up to a multiple of 8 elements is written as zeros.

import { COLS, IN0, IN1, IN2, IN3, P0, P1, P2, P3, P4, P5, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';
import { KV_F16, KV_F32, KV_Q8 } from './layout.ts';

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
  const scales = <usize>(heads * capacity) * <usize>padded;

  const end = firstRow(heads * rows, thread + 1, threads);
  for (let i = firstRow(heads * rows, thread, threads); i < end; i++) {
    const h = i / rows,
      r = i - h * rows,
      key = at + r,
      row = h * capacity + key;
    const k = load<usize>(op, IN0) + ((<usize>(r * load<i32>(op, P3) + h * dim)) << 2);
    const v = load<usize>(op, IN1) + ((<usize>(r * load<i32>(op, P4) + h * dim)) << 2);
    const kBlock = min(32, capacity - (key & ~31)),
      kBase = (row - (key & 31)) * padded;
    const vBlock = min(64, capacity - (key & ~63)),
      vBase = (row - (key & 63)) * padded;
    const q8 = kind == KV_Q8 ? 1 : 0;
    const kFactor = q8 ? quantization(k, dim, kCache + scales + ((<usize>row) << 2)) : 1;
    const vFactor = q8 ? quantization(v, dim, vCache + scales + ((<usize>row) << 2)) : 1;
    for (let c = 0; c < padded; c++) {
      const x = c < dim ? load<f32>(k + ((<usize>c) << 2)) * kFactor : 0,
        y = c < dim ? load<f32>(v + ((<usize>c) << 2)) * vFactor : 0;
      // Where two rows of a block stand side by side: (c / 2, key, c % 2) for keys, (key / 2, c, key % 2) for values.
      const kAt = kBase + ((c >> q8) << q8) * kBlock + ((key & 31) << q8) + (c & q8);
      const strip = c & ~31,
        width = min(32, padded - strip),
        kv = key & 63;
      const vAt = vBase + strip * vBlock + ((kv >> q8) << q8) * width + ((c & 31) << q8) + (kv & q8);
      put(kind, kCache, kAt, x);
      put(kind, vCache, vAt, y);
    }
  }
}

function put(kind: i32, cache: usize, at: i32, x: f32): void {
  if (kind == KV_F32) store<f32>(cache + ((<usize>at) << 2), x);
  else if (kind == KV_F16) store<u16>(cache + ((<usize>at) << 1), half(x));
  else store<i8>(cache + <usize>at, <i8>nearest(x));
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
