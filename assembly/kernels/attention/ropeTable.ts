// ropeTable: out[r] = [cos(a_0) .. cos(a_n-1), sin(a_0) .. sin(a_n-1)] * P1, a_i = (in0[r] / P0) * in1[i]
//
//   in0   i32 [rows]            positions; rows: cell
//   in1   f32 [n]               inverse frequencies; COLS n
//   out   f32 [rows, 2 n]
//   P0    f32 positions are divided by it; P1 f32 factor of the result (attention factor of long-context variants)
//
// The angle is rounded to f32 as the reference implementations do. Then fdlibm's reduction (Cody & Waite, pi/2 in two parts; n * the
// first is exact to n = 2^20) and polynomials in f64: right to the last f32 bit but one for angles to 1.6e6, the same on every engine.
// Rows are split over threads.

import { COLS, IN0, IN1, OUT, P0, P1, ROWS } from '../../program.ts';
import { firstRow } from '../../split.ts';

export function ropeTable(op: usize, thread: i32, threads: i32): void {
  const rows = load<i32>(load<usize>(op, ROWS)),
    bytes = (<usize>load<i32>(op, COLS)) << 2;
  const divisor = load<f32>(op, P0),
    factor = load<f32>(op, P1),
    frequencies = load<usize>(op, IN1);

  const end = firstRow(rows, thread + 1, threads);
  for (let r = firstRow(rows, thread, threads); r < end; r++) {
    const position = <f32>load<i32>(load<usize>(op, IN0) + ((<usize>r) << 2)) / divisor;
    const out = load<usize>(op, OUT) + <usize>r * 2 * bytes;
    for (let i: usize = 0; i < bytes; i += 4) {
      const angle = <f64>(position * load<f32>(frequencies + i));
      const n = nearest(angle * 0.6366197723675814);
      const x = angle - n * 1.5707963267341256 - n * 6.077100506506192e-11;
      const quarter = <i32>n & 3;
      const s = sine(x),
        c = cosine(x);
      const cos = quarter & 1 ? s : c,
        sin = quarter & 1 ? c : s;
      store<f32>(out + i, <f32>(quarter == 1 || quarter == 2 ? -cos : cos) * factor);
      store<f32>(out + bytes + i, <f32>(quarter & 2 ? -sin : sin) * factor);
    }
  }
}

/** |x| <= pi/4. */
function sine(x: f64): f64 {
  const z = x * x;
  const p = -1.984126982985795e-4 + z * (2.7557313707070068e-6 + z * (-2.5050760253406863e-8 + z * 1.58969099521155e-10));
  return x + x * z * (-0.16666666666666632 + z * (0.00833333333332249 + z * p));
}

/** |x| <= pi/4. */
function cosine(x: f64): f64 {
  const z = x * x;
  const p = 2.480158728947673e-5 + z * (-2.7557314351390663e-7 + z * (2.087572321298175e-9 + z * -1.1359647557788195e-11));
  return 1 - 0.5 * z + z * z * (0.0416666666666666 + z * (-0.001388888888887411 + z * p));
}
