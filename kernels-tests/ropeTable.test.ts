import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ropeTable } from '../src/graph/ops/ropeTable.ts';
import { engines, given, runOp } from './harness.ts';

const frequencies = (half: number, theta: number): Float32Array => Float32Array.from({ length: half }, (_, i) => theta ** (-i / half));

/** cos and sin of the float32 angle, in f64. */
function reference(positions: Int32Array, f: Float32Array, scale: number, attention: number): Float64Array {
  const out = new Float64Array(positions.length * f.length * 2);
  positions.forEach((p, r) => {
    const at = Math.fround(p / scale);
    f.forEach((x, i) => {
      const angle = Math.fround(at * x);
      out[(2 * r + 0) * f.length + i] = Math.cos(angle) * attention;
      out[(2 * r + 1) * f.length + i] = Math.sin(angle) * attention;
    });
  });
  return out;
}

/** Positions as they occur, and far out. */
const positions = Int32Array.from([0, 1, 2, 3, 17, 576, 2047, 4095, 32767, 131071, 999_983, 1_000_000]);
const bits = new Map<string, Uint8Array>();

for (const { name, engine } of await engines()) {
  for (const [half, theta, scale, attention] of [
    [64, 10000, 1, 1],
    [5, 1e6, 1, 1],
    [32, 10000, 4, 1.25],
  ] as const) {
    test(`ropeTable ${name} half=${half} theta=${theta} scale=${scale}`, () => {
      const f = frequencies(half, theta);
      const y = runOp(engine, ropeTable, { scale, attention }, [given(positions, positions.length, 1), given(f, half)]);
      const want = reference(positions, f, scale, attention);
      want.forEach((w, i) => {
        // Half a unit in the last place for each rounding: of the function, and of the factor.
        const ulps = attention === 1 ? 0.5001 : 1.1;
        assert.ok(
          Math.abs(y[i]! - w) <= ulps * 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(w) || 1e-40)) - 23),
          `[${i}]: got ${y[i]}, want ${w}`,
        );
      });
      const key = `${half} ${scale}`;
      assert.deepEqual(new Uint8Array(y.buffer), bits.get(key) ?? new Uint8Array(y.buffer));
      bits.set(key, new Uint8Array(y.buffer));
    });
  }
}
