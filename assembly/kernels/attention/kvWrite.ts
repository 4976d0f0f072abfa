// kvWrite: rows of keys and values enter their caches: row r goes to cache row at + r
//
//   in0, in1  f32 [rows, heads * dim]   k, v; rows: cell; rows lie P3 and P4 elements apart
//   in2, in3  kv                        caches of kind P5 in pieces of P2 rows (layout.ts); P6 = 1: tables of pages
//   COLS dim; P0 heads; P1 at: cell
//
// (head, row) pairs are split over threads. Padding up to a multiple of 8 elements is written as zeros.

import { COLS, IN0, IN1, IN2, IN3, P0, P1, P2, P3, P4, P5, P6, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';
import { I16_LEVELS, KV_F16, KV_F32, KV_I16 } from './layout.ts';
import { pieceOf, rowInPiece } from './pages.ts';

export function kvWrite(op: usize, thread: i32, threads: i32): void {
  const kind = load<i32>(op, P5);
  if (kind == KV_F32) write<f32>(op, thread, threads);
  else if (kind == KV_F16) write<u16>(op, thread, threads);
  else if (kind == KV_I16) write<i16>(op, thread, threads);
  else write<i8>(op, thread, threads);
}

function write<T>(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    dim = load<i32>(op, COLS),
    padded = (dim + 7) & ~7;
  const heads = load<i32>(op, P0),
    at = load<i32>(load<usize>(op, P1)),
    capacity = load<i32>(op, P2),
    paged = load<i32>(op, P6);
  const scales = <usize>(heads * capacity) * <usize>padded * sizeof<T>();
  const paired = isSigned<T>() ? 1 : 0; // integers come in pairs of a block's rows
  const levels: f32 = sizeof<T>() == 1 ? 127 : <f32>I16_LEVELS;

  const end = firstRow(heads * rows, thread + 1, threads);
  for (let i = firstRow(heads * rows, thread, threads); i < end; i++) {
    const h = i / rows,
      r = i - h * rows,
      key = rowInPiece(paged, at + r),
      row = h * capacity + key;
    const kCache = pieceOf(load<usize>(op, IN2), paged, at + r),
      vCache = pieceOf(load<usize>(op, IN3), paged, at + r);
    const k = load<usize>(op, IN0) + ((<usize>(r * load<i32>(op, P3) + h * dim)) << 2);
    const v = load<usize>(op, IN1) + ((<usize>(r * load<i32>(op, P4) + h * dim)) << 2);
    const kFactor: f32 = paired ? quantization(k, dim, kCache + scales + ((<usize>row) << 2), levels) : 1;
    const vFactor: f32 = paired ? quantization(v, dim, vCache + scales + ((<usize>row) << 2), levels) : 1;

    const kx = key & 31,
      kRows = min(32, capacity - key + kx); // column and width of the block of keys
    const kTo = kCache + <usize>((row - kx) * padded + (kx << paired)) * sizeof<T>();
    const kStep = <usize>kRows * 2 * sizeof<T>();
    scatter<T>(k, dim, padded, kTo, paired ? sizeof<T>() : kStep >> 1, kStep, kFactor);

    const vx = key & 63,
      vRows = min(64, capacity - key + vx); // row and height of the block of values
    for (let c = 0; c < padded; c += 32) {
      const width = min(32, padded - c),
        before = (vx >> paired) * (width << paired) + (vx & paired);
      const vTo = vCache + <usize>((row - vx) * padded + c * vRows + before) * sizeof<T>();
      const step = sizeof<T>() << paired;
      scatter<T>(v + ((<usize>c) << 2), min(32, dim - c), width, vTo, step, 2 * step, vFactor);
    }
  }
}

/** Stores x[c] * factor at to + (c / 2) * step2 + (c % 2) * step1, and zeros for c = count to padded. */
function scatter<T>(x: usize, count: i32, padded: i32, to: usize, step1: usize, step2: usize, factor: f32): void {
  let c = 0;
  for (; c + 1 < count; c += 2, x += 8, to += step2) {
    put<T>(to, load<f32>(x), factor);
    put<T>(to + step1, load<f32>(x, 4), factor);
  }
  for (; c < padded; c += 2, x += 8, to += step2) {
    put<T>(to, c < count ? load<f32>(x) : 0, factor);
    put<T>(to + step1, 0, factor);
  }
}

function put<T>(to: usize, x: f32, factor: f32): void {
  if (sizeof<T>() == 4) store<f32>(to, x);
  else if (isSigned<T>()) store<T>(to, <T>nearest(x * factor));
  else store<u16>(to, half(x));
}

/** Stores the scale of a head's row and returns its inverse. A row too small for an inverse counts as zeros. */
function quantization(x: usize, dim: i32, scale: usize, levels: f32): f32 {
  let most: f32 = 0;
  for (const end = x + ((<usize>dim) << 2); x < end; x += 4) most = max(most, abs(load<f32>(x)));
  store<f32>(scale, most / levels);
  return most < 1e-30 ? 0 : levels / most;
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
