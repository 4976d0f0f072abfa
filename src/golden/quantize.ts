// Golden cases of the quantizers (byte for byte) and of integer dot products.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Quantizer } from '../convert/quantizer.ts';
import { dequantize } from '../formats/dequantize.ts';
import { blockDot, quantizeActivations } from '../formats/dot.ts';
import { BLOCKS, type StorageType } from '../formats/tensors.ts';
import { nodePlatform } from '../runtime/node.ts';
import { bestBuild } from '../runtime/probe.ts';
import { assertClose, floats, type LoadedTensor, loadTensors, Mismatch, readCase } from './compare.ts';
import type { CaseRunner } from './runner.ts';

function sameBytes(name: string, got: Uint8Array, want: LoadedTensor, labels: readonly string[]): void {
  const bytes = want.data as Uint8Array;
  const rowBytes = want.shape[1]!;
  if (got.length !== bytes.length) throw new Mismatch(`${name}: got ${got.length} bytes, want ${bytes.length}`);
  const wrong = new Map<string, number>();
  for (let i = 0; i < bytes.length; i++) {
    const label = labels[Math.floor(i / rowBytes)] ?? '';
    if (got[i] !== bytes[i] && !wrong.has(label)) wrong.set(label, i % rowBytes);
  }
  if (wrong.size > 0)
    throw new Mismatch(`${name}: differs in the rows ${[...wrong].map(([label, at]) => `"${label}" from byte ${at} on`).join(', ')}`);
}

const quantizers: CaseRunner = {
  matches: (system, name) => system === 'gguf' && name.startsWith('quantize-'),
  async run(dir) {
    const { params } = readCase(dir);
    const type = (params.type as string).toLowerCase() as StorageType;
    const labels = params.row_labels as readonly string[];
    const [inputs, expected] = await Promise.all([
      loadTensors(join(dir, 'inputs.safetensors')),
      loadTensors(join(dir, 'expected.safetensors')),
    ]);
    const x = floats(inputs, 'x');
    const importance = floats(inputs, 'importance');
    const cols = importance.length;
    const check = (name: string, bytes: Uint8Array) => {
      sameBytes(`${name}_bytes`, bytes, expected.get(`${name}_bytes`)!, labels);
      assertClose(`${name}_dequantized`, dequantize(type, bytes), floats(expected, `${name}_dequantized`), { atol: 0, rtol: 0 });
    };
    for (const build of bestBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const)) {
      await using quantizer = await Quantizer.create(nodePlatform, { build, threads: 0, simulatedThreads: 3 });
      check('ref', await quantizer.quantize(type, x, cols));
      check('importance', await quantizer.quantize(type, x, cols, importance));
      const fast = expected.get('fast_ref_bytes');
      if (fast === undefined) continue;
      const out = await quantizer.quantize(type, x, cols, null, true);
      // The reference writes uninitialised memory as the levels of a block without a scale: they count for nothing.
      const want = Uint8Array.from(fast.data as Uint8Array);
      for (let at = 0; at < want.length; at += 18)
        if (want[at] === 0 && want[at + 1] === 0) want.set(out.subarray(at + 2, at + 18), at + 2);
      sameBytes('fast_ref_bytes', out, { ...fast, data: want }, labels);
    }
  },
};

const dots: CaseRunner = {
  matches: (system, name) => system === 'gguf' && name.startsWith('dot-'),
  async run(dir) {
    const { params, files, tolerance } = readCase(dir);
    const type = (params.type as string).toLowerCase() as StorageType;
    const activationType = (params.activation_type as string).toLowerCase() as 'q8_0' | 'q8_1' | 'q8_k';
    const [inputs, expected] = await Promise.all([
      loadTensors(join(dir, 'inputs.safetensors')),
      loadTensors(join(dir, 'expected.safetensors')),
    ]);
    const x = floats(inputs, 'x');
    const weights = readFileSync(join(dir, files.weights as string));
    const { rows, n } = params as { rows: number; n: number };
    const activations = quantizeActivations(activationType, x, n);
    const want = expected.get('activation_bytes')!;
    sameBytes('activation_bytes', activations, want, []);
    const count = x.length / n;
    const rowBytes = weights.length / rows;
    const values = dequantize(type, weights);
    const float = new Float32Array(count * rows);
    const integer = new Float32Array(count * rows);
    for (let a = 0; a < count; a++) {
      for (let r = 0; r < rows; r++) {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += x[a * n + i]! * values[r * n + i]!;
        float[a * rows + r] = sum;
        integer[a * rows + r] = blockDot(
          type,
          weights.subarray(r * rowBytes, (r + 1) * rowBytes),
          activations.subarray(a * want.shape[1]!, (a + 1) * want.shape[1]!),
        );
      }
    }
    if (rowBytes !== (n / BLOCKS[type].values) * BLOCKS[type].bytes) throw new Mismatch(`weights.bin: rows of ${rowBytes} bytes`);
    assertClose('dot_float', float, floats(expected, 'dot_float'), tolerance.dot_float!);
    assertClose('dot_q8', integer, floats(expected, 'dot_q8'), tolerance.dot_q8!);
  },
};

export const cases: readonly CaseRunner[] = [quantizers, dots];
