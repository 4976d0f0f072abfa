// quantizeBlocks against a reference that looks for the scales with float64 arithmetic: no reference implementation may do better by much, and
// stored bytes stand for what was meant. That they are llama.cpp's, byte for byte, is held by the goldens (gguf/quantize-*).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dequantize } from '../src/formats/dequantize.ts';
import { BLOCKS, type StorageType } from '../src/formats/tensors.ts';
import { Graph } from '../src/graph/graph.ts';
import { needsSearch, quantizeBlocks } from '../src/graph/ops/quantizeBlocks.ts';
import { plan } from '../src/graph/plan.ts';
import type { Engine } from '../src/runtime/engine.ts';
import { engines, random } from './harness.ts';

const all = await engines('quantizers');
const TYPES = ['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k', 'iq4_nl', 'iq4_xs', 'q4_0', 'q4_1', 'q5_0', 'q5_1'] as const;
/** Bits of a level, and is there a minimum. */
const BITS: Partial<Record<StorageType, readonly [bits: number, minimum: boolean]>> = {
  q2_k: [2, true],
  q3_k: [3, false],
  q4_k: [4, true],
  q5_k: [5, true],
  q6_k: [6, false],
  iq4_nl: [4, false],
  iq4_xs: [4, false],
  q4_0: [4, false],
  q4_1: [4, true],
  q5_0: [5, false],
  q5_1: [5, true],
};

function stored(engine: Engine, type: StorageType, x: Float32Array, cols: number, importance?: Float32Array): Uint8Array {
  const g = new Graph('quantize');
  const inputs = [g.input('x', 'f32', [x.length / cols, cols]), ...(importance ? [g.input('importance', 'f32', [1, cols])] : [])];
  const out = g.output('out', g.add(quantizeBlocks, inputs, { type }));
  const program = engine.install(plan(g));
  engine.write(program, 'x', x);
  if (importance) engine.write(program, 'importance', importance);
  engine.runNow(program);
  const at = engine.locate(program, out);
  const bytes = engine.bytes.slice(at, at + out.storage.bytes);
  engine.uninstall(program);
  return bytes;
}

/** The plain way: levels from the extremes of each group, in float64, no search: weighted squared error. */
function plain(type: StorageType, x: Float32Array, weight: (i: number) => number): number {
  const [bits, minimum] = BITS[type]!;
  const group = BLOCKS[type].values === 32 || ['q4_k', 'q5_k', 'iq4_xs'].includes(type) ? 32 : 16;
  let error = 0;
  for (let from = 0; from < x.length; from += group) {
    const own = [...x.subarray(from, from + group)];
    const low = minimum ? Math.min(0, ...own) : 0;
    const top = minimum ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
    const range = minimum ? Math.max(...own) - low : Math.max(...own.map(Math.abs));
    const d = range / top || 1;
    own.forEach((v, i) => {
      const l = Math.min(top, Math.max(minimum ? 0 : -top, Math.round((v - low) / d)));
      error += weight(from + i) * (v - low - d * l) ** 2;
    });
  }
  return error;
}

for (const type of TYPES) {
  for (const weighted of [false, true]) {
    if (!needsSearch(type, weighted)) continue;
    for (const [rows, cols] of BLOCKS[type].values === 256
      ? [
          [1, 256],
          [5, 768],
        ]
      : [
          [1, 32],
          [3, 288],
          [2, 544],
        ]) {
      test(`${type}${weighted ? ' by importance' : ''} [${rows}, ${cols}]`, () => {
        const x = random(rows! * cols!, 11).map((v, i) => v ** 3 * (1 + (i % 7)));
        const importance = weighted ? random(cols!, 5).map((v) => 1.01 + v) : undefined;
        const first = stored(all[0]!.engine, type, x, cols!, importance);
        for (const { name, engine } of all) assert.deepEqual(stored(engine, type, x, cols!, importance), first, name);
        const back = dequantize(type, first);
        const weight = (i: number) => importance?.[i % cols!] ?? 1;
        const error = x.reduce((n, v, i) => n + weight(i) * (v - back[i]!) ** 2, 0);
        // Scales of scales are rounded to few bits, which costs a little.
        const limit = 1.25 * plain(type, x, weight);
        assert.ok(error > 0 && error < limit, `error ${error}, without a search ${limit}`);
      });
    }
  }
}

test('groups of zeros and of one value', () => {
  for (const { engine } of all) {
    for (const type of TYPES.slice(0, 7)) {
      const x = new Float32Array(512);
      x.fill(0.75, 256, 288);
      const back = dequantize(type, stored(engine, type, x, 512));
      assert.deepEqual([...back.subarray(0, 256)].map(Math.abs), new Array(256).fill(0), type);
      for (let i = 256; i < 288; i++) assert.ok(Math.abs(back[i]! - 0.75) < 0.02, `${type}: ${back[i]}`);
      assert.ok(back.every(Number.isFinite));
    }
  }
});
