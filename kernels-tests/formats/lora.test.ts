// The fixture is one layer of a tiny LLaMA with its adapter, and what the reference makes of the merged layer.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError, PumiceError } from '../../src/errors.ts';
import { withAdapter } from '../../src/formats/adapter.ts';
import { openCheckpoint } from '../../src/formats/checkpoint.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/formats/half.ts';
import { bufferSource, type Folder } from '../../src/formats/source.ts';
import type { TensorFiles } from '../../src/formats/tensors.ts';
import { assertClose, floats, loadTensors } from '../../src/golden/compare.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { localFolder } from '../../src/runtime/nodeFiles.ts';
import { addProduct } from '../../src/runtime/products.ts';
import { fixture } from '../fixtures.ts';
import { random } from '../harness.ts';

const root = fixture('formats/lora');

async function valuesOf(files: TensorFiles, name: string): Promise<Float32Array> {
  const info = files.tensors.get(name);
  assert.ok(info, name);
  const bytes = new Uint8Array(info.bytes);
  await files.readInto(info, bytes);
  if (info.type === 'f32') return new Float32Array(bytes.buffer);
  assert.equal(info.type, 'f16');
  return Float32Array.from(new Uint16Array(bytes.buffer), f16ToF32);
}

/** y[t, o] = sum over i of x[t, i] w[o, i] */
function matmul(x: Float32Array, w: Float32Array, rows: number): Float32Array {
  const cols = x.length / rows;
  const outs = w.length / cols;
  const y = new Float32Array(rows * outs);
  for (let t = 0; t < rows; t++)
    for (let o = 0; o < outs; o++) {
      let sum = 0;
      for (let i = 0; i < cols; i++) sum += x[t * cols + i]! * w[o * cols + i]!;
      y[t * outs + o] = sum;
    }
  return y;
}

function rmsNorm(x: Float32Array, w: Float32Array): Float32Array {
  const n = w.length;
  return x.map((value, i) => {
    const row = x.subarray(i - (i % n), i - (i % n) + n);
    return (value / Math.sqrt(row.reduce((s, v) => s + v * v, 0) / n + 1e-5)) * w[i % n]!;
  });
}

const HEADS = 4;
const HEAD = 16;

function rope(x: Float32Array, rows: number): Float32Array {
  const y = new Float32Array(x.length);
  for (let t = 0; t < rows; t++)
    for (let h = 0; h < HEADS; h++)
      for (let i = 0; i < HEAD / 2; i++) {
        const at = (t * HEADS + h) * HEAD + i;
        const angle = t * 10000 ** ((-2 * i) / HEAD);
        const [a, b] = [x[at]!, x[at + HEAD / 2]!];
        y[at] = a * Math.cos(angle) - b * Math.sin(angle);
        y[at + HEAD / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
  return y;
}

function attend(q: Float32Array, k: Float32Array, v: Float32Array, rows: number): Float32Array {
  const y = new Float32Array(q.length);
  for (let t = 0; t < rows; t++)
    for (let h = 0; h < HEADS; h++) {
      const at = (row: number): number => (row * HEADS + h) * HEAD;
      const weights = Array.from({ length: t + 1 }, (_, s) => {
        let dot = 0;
        for (let i = 0; i < HEAD; i++) dot += q[at(t) + i]! * k[at(s) + i]!;
        return Math.exp(dot / Math.sqrt(HEAD));
      });
      const total = weights.reduce((a, b) => a + b);
      for (let i = 0; i < HEAD; i++) y[at(t) + i] = weights.reduce((sum, w, s) => sum + w * v[at(s) + i]!, 0) / total;
    }
  return y;
}

async function layer(files: TensorFiles, x: Float32Array): Promise<Float32Array> {
  const w = (name: string): Promise<Float32Array> => valuesOf(files, `model.layers.0.${name}.weight`);
  const rows = x.length / (HEADS * HEAD);
  const n = rmsNorm(x, await w('input_layernorm'));
  const q = rope(matmul(n, await w('self_attn.q_proj'), rows), rows);
  const k = rope(matmul(n, await w('self_attn.k_proj'), rows), rows);
  const mixed = attend(q, k, matmul(n, await w('self_attn.v_proj'), rows), rows);
  const attention = matmul(mixed, await w('self_attn.o_proj'), rows);
  const y = x.map((value, i) => value + attention[i]!);
  const m = rmsNorm(y, await w('post_attention_layernorm'));
  const up = matmul(m, await w('mlp.up_proj'), rows);
  const gated = matmul(m, await w('mlp.gate_proj'), rows).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!);
  const down = matmul(gated, await w('mlp.down_proj'), rows);
  return y.map((value, i) => value + down[i]!);
}

test('the merged layer gives the reference hidden state; the bare base does not', async () => {
  const expected = await loadTensors(join(root, 'expected.safetensors'));
  const want = floats(expected, 'lm_hidden_1');
  const base = await openCheckpoint(localFolder(join(root, 'base')));
  const tolerance = { atol: 3e-4, rtol: 1e-4 };
  const bare = await layer(base, floats(expected, 'inputs_embeds'));
  assert.throws(() => assertClose('bare', bare, want, tolerance), /values differ/);
  const merged = await withAdapter(base, localFolder(root));
  assertClose('lm_hidden_1', await layer(merged, floats(expected, 'inputs_embeds')), want, tolerance);
  // The projector that was trained whole comes under the checkpoint's names.
  const projector = floats(
    await loadTensors(join(root, 'non_lora_trainables.safetensors')),
    'base_model.model.model.mm_projector.0.weight',
  );
  assert.deepEqual(await valuesOf(merged, 'model.mm_projector.0.weight'), projector);
  assert.ok(![...merged.tensors.keys()].some((name) => name.includes('lora')));
  await merged.close();
});

test('any byte range of a merged tensor is that part of the whole', async () => {
  const merged = await withAdapter(await openCheckpoint(localFolder(join(root, 'base'))), localFolder(root));
  const info = merged.tensors.get('model.layers.0.mlp.down_proj.weight')!;
  const whole = new Uint8Array(info.bytes);
  await merged.readInto(info, whole);
  for (const [from, length] of [
    [0, 1],
    [575, 2],
    [576, 576],
    [3, 1500],
    [info.bytes - 5, 5],
    [10, 0],
  ] as const) {
    const piece = new Uint8Array(length);
    await merged.readInto(info, piece, from);
    assert.deepEqual(piece, whole.subarray(from, from + length));
  }
  await assert.rejects(merged.readInto(info, new Uint8Array(2), info.bytes - 1), InputError);
  await merged.close();
});

type Tensors = Record<string, { dtype: string; shape: number[]; data: Uint8Array }>;

function safetensors(tensors: Tensors): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + at);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 8);
  at = 8 + json.length;
  for (const { data } of Object.values(tensors)) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

const f32 = (shape: number[], values: number[]): Tensors[string] => ({
  dtype: 'F32',
  shape,
  data: new Uint8Array(new Float32Array(values).buffer),
});

function memory(files: Record<string, Uint8Array>): Folder & { opened: () => number } {
  let opened = 0;
  return {
    name: 'm',
    list: async () => Object.keys(files),
    async open(file) {
      if (!Object.hasOwn(files, file)) throw new InputError(`m/${file}: there is no such file`);
      opened++;
      return { ...bufferSource(files[file]!, `m/${file}`), close: async () => void opened-- };
    },
    folder: async () => null,
    opened: () => opened,
  };
}

const config = (values: object): Uint8Array => new TextEncoder().encode(JSON.stringify({ r: 1, lora_alpha: 2, ...values }));
const one = 'base_model.model.m.lora_A.weight';
const two = 'base_model.model.m.lora_B.weight';
const base = (tensors: Tensors = { 'm.weight': f32([2, 3], [1, 2, 3, 4, 5, 6]) }): Folder =>
  memory({ 'model.safetensors': safetensors(tensors) });
const merge = async (bytes: Folder, tensors: Tensors, values: object = {}): Promise<TensorFiles> =>
  withAdapter(
    await openCheckpoint(bytes),
    memory({ 'adapter_model.safetensors': safetensors(tensors), 'adapter_config.json': config(values) }),
  );
const factors: Tensors = { [one]: f32([1, 3], [1, 10, 100]), [two]: f32([2, 1], [1, -1]) };

test('scale, transposition, types', async () => {
  const weights = async (files: Promise<TensorFiles>): Promise<number[]> => [...(await valuesOf(await files, 'm.weight'))];
  assert.deepEqual(await weights(merge(base(), factors)), [3, 22, 203, 2, -15, -194]);
  const four = { [one]: f32([4, 3], [1, 10, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0]), [two]: f32([2, 4], [1, 0, 0, 0, -1, 0, 0, 0]) };
  assert.deepEqual(await weights(merge(base(), four)), [1.5, 7, 53, 3.5, 0, -44]);
  assert.deepEqual(await weights(merge(base(), four, { use_rslora: true })), [2, 12, 103, 3, -5, -94]);
  const flat = base({ 'm.weight': f32([3, 2], [1, 2, 3, 4, 5, 6]) });
  assert.deepEqual(await weights(merge(flat, factors, { fan_in_fan_out: true })), [3, 0, 23, -16, 205, -194]);
  const embedding = { 'base_model.model.m.lora_embedding_A': factors[one]!, 'base_model.model.m.lora_embedding_B': factors[two]! };
  assert.deepEqual(await weights(merge(flat, embedding)), [3, 0, 23, -16, 205, -194]);

  const bits = (round: (x: number) => number): Uint8Array => new Uint8Array(Uint16Array.from([0.1, 0, 0, 0, 0, 0], round).buffer);
  const tenth = { [one]: f32([1, 3], [0.05, 0, 0]), [two]: factors[two]! };
  const half = await merge(base({ 'm.weight': { dtype: 'F16', shape: [2, 3], data: bits(f32ToF16) } }), tenth);
  assert.equal(half.tensors.get('m.weight')!.type, 'f16');
  assert.equal((await valuesOf(half, 'm.weight'))[0], f16ToF32(f32ToF16(f16ToF32(f32ToF16(0.1)) + 2 * Math.fround(0.05))));
  const brain = await merge(base({ 'm.weight': { dtype: 'BF16', shape: [2, 3], data: bits(f32ToBf16) } }), tenth);
  assert.equal((await valuesOf(brain, 'm.weight'))[0], Math.fround(bf16ToF32(f32ToBf16(0.1)) + 2 * Math.fround(0.05)));
});

test("the kernels' product is the definition's, also where calls overlap and sizes change", async () => {
  const add = addProduct(nodePlatform);
  const one = async (rows: number, cols: number, depth: number, seed: number): Promise<void> => {
    const [left, right, values] = [random(rows * depth, seed), random(cols * depth, seed + 1), random(rows * cols, seed + 2)];
    const want = Array.from(values, (value, i) => {
      const [a, b] = [Math.floor(i / cols) * depth, (i % cols) * depth];
      return left.subarray(a, a + depth).reduce((sum, x, k) => sum + x * right[b + k]!, value);
    });
    await add(values, left, right, depth);
    for (const [i, w] of want.entries()) assert.ok(Math.abs(values[i]! - w) <= 1e-5 * (1 + Math.abs(w)), `${rows} ${cols} ${depth}: ${i}`);
  };
  await Promise.all([one(5, 19, 3, 1), one(1, 8, 64, 4), one(5, 19, 3, 7), one(33, 70, 17, 10)]);
});

test('what was trained whole beside the factors', async () => {
  const files = await merge(base({ 'm.weight': f32([2, 3], [0, 0, 0, 0, 0, 0]), 'head.weight': f32([1], [1]) }), {
    ...factors,
    'base_model.model.head.modules_to_save.weight': f32([1], [7]),
  });
  assert.deepEqual([...files.tensors.keys()].sort(), ['head.weight', 'm.weight']);
  assert.deepEqual([...(await valuesOf(files, 'head.weight'))], [7]);

  const projector = memory({
    'mm_projector.bin': new Uint8Array(0),
    'mm_projector.safetensors': safetensors({ 'model.mm_projector.0.bias': f32([1], [3]) }),
  });
  const laid = await withAdapter(await openCheckpoint(base()), projector);
  assert.deepEqual([...(await valuesOf(laid, 'model.mm_projector.0.bias'))], [3]);
  await laid.close();
  assert.equal(projector.opened(), 0);
});

test('adapters that do not fit are refused, and their files closed', async () => {
  const code = (wanted: string, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof PumiceError, String(error));
    assert.equal(error.code, wanted);
    assert.match(error.message, message);
    return true;
  };
  await assert.rejects(merge(base(), { [one]: factors[one]! }), code('structure', /m\.weight: lora_B is missing/));
  await assert.rejects(merge(base({ other: f32([1], [1]) }), factors), code('structure', /no such tensor: is it the base/));
  await assert.rejects(
    merge(base({ 'm.weight': f32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]) }), factors),
    code('structure', /got factors \[2, 1\] and \[1, 3\]/),
  );
  await assert.rejects(
    merge(base(), { ...factors, 'base_model.model.m.lora_magnitude_vector': f32([1], [1]) }),
    code('unsupported', /only plain LoRA/),
  );
  await assert.rejects(merge(base(), factors, { peft_type: 'IA3' }), code('unsupported', /peft_type: got "IA3"/));
  await assert.rejects(merge(base(), factors, { use_dora: true }), code('unsupported', /DoRA/));
  await assert.rejects(merge(base(), factors, { lora_alpha: 'x' }), code('structure', /lora_alpha: got "x"/));
  await assert.rejects(merge(base(), factors, { alpha_pattern: { m: 4 } }), code('unsupported', /alpha_pattern/));
  const broken = memory({ 'adapter_model.safetensors': safetensors(factors), 'adapter_config.json': new TextEncoder().encode('{') });
  const own = await openCheckpoint(base());
  await assert.rejects(withAdapter(own, broken), code('format', /broken JSON/));
  assert.equal(broken.opened(), 0);
  await assert.rejects(withAdapter(own, memory({})), code('input', /is no adapter/));
});
