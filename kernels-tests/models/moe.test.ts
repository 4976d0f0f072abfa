// Mixtures of experts over tiny random models: files, routing as it is seen from outside, and bad input.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPair, ggufContent, inMix, requantized } from '../../src/convert/fromGguf.ts';
import { hubContent } from '../../src/convert/fromHub.ts';
import { mixOf } from '../../src/convert/mix.ts';
import { FormatError, InputError, UnsupportedError } from '../../src/errors.ts';
import { type GgufFile, openGguf } from '../../src/formats/gguf.ts';
import { bufferSource } from '../../src/formats/source.ts';
import type { StorageType, TensorFiles } from '../../src/formats/tensors.ts';
import { type Routing, routingObserver } from '../../src/generate/routing.ts';
import { type Piece, Session } from '../../src/generate/session.ts';
import { written } from '../../src/golden/convert.ts';
import { backboneOf } from '../../src/models/backbones.ts';
import { Config, type Json } from '../../src/models/config.ts';
import { openGgufPair } from '../../src/models/ggufLayout.ts';
import type { Checkpoint, ModelOptions } from '../../src/models/model.ts';
import { moeConfig, moeHooks } from '../../src/models/moe.ts';
import { openModel } from '../../src/models/registry.ts';
import { synthModel } from '../../src/models/synth.ts';
import { ExpertLoads } from '../../src/profile/experts.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { Programs } from '../../src/runtime/programs.ts';

const IDS = Array.from({ length: 24 }, (_, i) => (i * 37) % 320);
const EXPERT = 'model.layers.0.mlp.deepspeed_moe.experts.deepspeed_experts';

async function synthetic(type: StorageType): Promise<GgufFile> {
  return openGguf(bufferSource(Buffer.concat([...synthModel('moe-overhead', type).pieces()])));
}

interface Seen {
  readonly logits: Float32Array;
  readonly routings: readonly Routing[];
}

/** Logits after a prompt and one more token, and what the routers did. */
async function run(checkpoint: Checkpoint, prompt: readonly Piece[], options: ModelOptions = {}, stageBytes?: number): Promise<Seen> {
  const engine = await Engine.create(nodePlatform, { threads: 0, ...(stageBytes !== undefined && { stageBytes }) });
  try {
    const model = await openModel(checkpoint, { cacheType: 'kv-f32', ...options });
    const session = new Session(new Programs(engine, model.weights), model.decoder);
    const routings: Routing[] = [];
    session.observer = routingObserver(engine, model.decoder, (r) => routings.push(r));
    await session.prefill(prompt);
    return { logits: await session.step(7), routings };
  } finally {
    await engine.dispose();
  }
}

for (const type of ['f16', 'q8_0', 'q4_0', 'q5_0'] as const) {
  test(`stacked experts of type ${type}: the same from the file, from llama.cpp's keys alone, and over stages`, async () => {
    const file = await synthetic(type);
    const want = await run(openGgufPair(file), IDS);
    assert.ok(want.logits.every(Number.isFinite));
    const content = ggufContent(file);
    const foreign = { ...content, metadata: new Map([...content.metadata].filter(([key]) => !key.startsWith('pumice.'))) };
    assert.deepEqual(await run(openGgufPair(await written(foreign)), IDS), want);
    assert.deepEqual(await run(openGgufPair(file), IDS, {}, 20_000), want);
    assert.throws(() => asPair(content, 'file'), /no place/);
  });
}

test('routing as a hook sees it: k experts a row, weights that sum to one, pictures apart from text', async () => {
  const picture = { key: 'p', rows: 5, features: Float32Array.from({ length: 5 * 64 }, (_, i) => Math.sin(i * i)) };
  const { routings } = await run(openGgufPair(await synthetic('f16')), [picture, ...IDS]);
  assert.deepEqual(
    routings.map((r) => [r.kind, r.layer, r.from, r.rows, r.experts, r.k]),
    [
      ['prefill', 0, 0, 29, 4, 2],
      ['decode', 0, 29, 1, 4, 2],
    ],
  );
  const [r] = routings as [Routing, Routing];
  assert.equal(r.picture.join(''), `${'1'.repeat(5)}${'0'.repeat(24)}`);
  for (let row = 0; row < r.rows; row++) {
    const logits = r.logits.subarray(4 * row, 4 * row + 4);
    const order = [0, 1, 2, 3].sort((a, b) => logits[b]! - logits[a]!);
    assert.deepEqual([...r.choices.subarray(2 * row, 2 * row + 2)], order.slice(0, 2), `row ${row}`);
    const sum = r.weights.subarray(4 * row, 4 * row + 4).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - 1) < 1e-6, `row ${row}: ${sum}`);
  }
  const loads = new ExpertLoads();
  assert.throws(() => loads.table(), /the model has no experts/);
  for (const routing of routings) loads.add(routing);
  const [layer] = loads.layers.values();
  assert.equal(
    layer!.reduce((n, l) => n + l.picture, 0),
    10,
  );
  assert.equal(
    layer!.reduce((n, l) => n + l.text, 0),
    50,
  );
  assert.equal(loads.table().trimEnd().split('\n').length, 1 + 4);
  assert.equal(loads.html().match(/<td title=/g)?.length, 8);
});

test('every expert for every token: four choices a row; a row of NaN chooses none and leaves rows before it alone', async () => {
  const file = await synthetic('f16');
  const { routings } = await run(openGgufPair(file), IDS, { activeExperts: 4 });
  assert.ok(routings.every((r) => r.k === 4 && [...r.slots].every((s) => s >= 0)));
  for (const activeExperts of [0, 5, 1.5]) await assert.rejects(run(openGgufPair(file), IDS, { activeExperts }), InputError);

  const broken = { key: 'nan', rows: 1, features: new Float32Array(64).fill(Number.NaN) };
  const whole = await run(openGgufPair(file), IDS);
  const part = await run(openGgufPair(file), [...IDS, broken]);
  const [before, after] = [whole.routings[0]!, part.routings[0]!];
  assert.deepEqual(after.choices.subarray(0, 48), before.choices);
  assert.deepEqual([...after.choices.subarray(48), ...after.slots.subarray(48)], [-1, -1, -1, -1]);
  assert.deepEqual([...after.weights.subarray(96)], [0, 0, 0, 0]);
});

/** The checkpoint without the tensors that match. */
function without(checkpoint: Checkpoint, pattern: RegExp): Checkpoint {
  const { files } = checkpoint;
  const tensors = new Map([...files.tensors].filter(([name]) => !pattern.test(name)));
  const less: TensorFiles = { name: files.name, tensors, readInto: files.readInto.bind(files), close: () => files.close() };
  return { ...checkpoint, files: less };
}

test('missing expert tensors are named, in a model and in a conversion', async () => {
  const file = await synthetic('f16');
  const lacking = () => without(openGgufPair(file), /deepspeed_experts\.2\.fc1\.weight$/);
  const missing = (e: Error) => e instanceof FormatError && e.message.includes(`${EXPERT}.2.fc1.weight`);
  await assert.rejects(run(lacking(), IDS), missing);
  assert.throws(() => hubContent(lacking()), /blk\.0\.ffn_up_exps\.weight: part 2 of 4: got no tensor/);
  await assert.rejects(run(without(openGgufPair(file), /\.wg\.weight$/), IDS), /has no tensor .*deepspeed_moe\.gate\.wg\.weight/);
});

test('what a config may not say', () => {
  const open = (moe: Json) => moeConfig(new Config('config.json', { num_hidden_layers: 4, moe }));
  const good = { moe_enable: true, moe_layers_idx: [0, 2], num_experts: [4, 2], top_k_experts: 2 };
  assert.deepEqual(open(good).experts, [4, 0, 2, 0]);
  for (const [bad, message] of [
    [{ num_experts: [4, 1] }, /num_experts: got 1, expected 2 \(top_k_experts\) to/],
    [{ num_experts: [4, 4, 4] }, /num_experts: got \[4,4,4\], expected a number for each of 2 layers/],
    [{ top_k_experts: 3 }, /top_k_experts: got 3, expected 1 or 2/],
    [{ moe_layers_idx: [0, 4] }, /moe_layers_idx: got \[0,4\], expected layers of 0\.\.3/],
    [{ ep_size: 2 }, /ep_size: got 2, expected 1/],
  ] as const)
    assert.throws(
      () => open({ ...good, ...bad }),
      (e: Error) => e instanceof UnsupportedError && message.test(e.message),
    );
});

test('conversion stacks experts as llama.cpp names them, keeps routers exact, and quantizes the rest by role', async () => {
  const file = await synthetic('f16');
  const back = await written(hubContent(openGgufPair(file)));
  for (const [name, info] of file.tensors) assert.deepEqual(back.tensors.get(name)?.shape, info.shape, name);
  assert.equal(back.meta.u32('phi2.expert_count'), 4);
  assert.equal(back.meta.u32('phi2.expert_used_count'), 2);
  assert.deepEqual(await run(openGgufPair(back), IDS), await run(openGgufPair(file), IDS));

  const small = await written(requantized(file, mixOf('q8_0')));
  assert.equal(small.tensors.get('blk.0.ffn_gate_inp.weight')!.type, 'f32');
  for (const n of ['up', 'down']) assert.equal(small.tensors.get(`blk.0.ffn_${n}_exps.weight`)!.type, 'q8_0');
  const near = await run(openGgufPair(small), IDS);
  const want = await run(openGgufPair(file), IDS);
  const off = Math.hypot(...near.logits.map((v, i) => v - want.logits[i]!)) / Math.hypot(...want.logits);
  assert.ok(off < 0.05, `off by ${off}`);
});

test('importance of stacked experts: each expert has its own', async () => {
  const file = await synthetic('f16');
  const name = 'blk.0.ffn_up_exps.weight';
  const weights = Float32Array.from({ length: 4 * 64 }, (_, i) => (Math.floor(i / 64) === 2 ? 1 + (i % 64) : 1));
  const bytes = async (importance?: Float32Array) => {
    const out = await written(inMix(ggufContent(file), mixOf('q4_1'), 2, 1, importance && new Map([[name, importance]])));
    const info = out.tensors.get(name)!;
    const all = new Uint8Array(info.bytes);
    await out.readInto(info, all);
    return Array.from({ length: 4 }, (_, e) => Buffer.from(all.subarray((e * info.bytes) / 4, ((e + 1) * info.bytes) / 4)).toString('hex'));
  };
  const [own, even] = [await bytes(weights), await bytes(new Float32Array(256).fill(1))];
  assert.deepEqual(
    own.map((x, e) => x === even[e]),
    [true, true, false, true],
  );
  await assert.rejects(bytes(new Float32Array(64).fill(1)), /got 64 columns, 256 are expected/);
});

test('the sizes of the released models', () => {
  const moe = (layers: number) => ({
    moe_enable: true,
    moe_layers_idx: Array.from({ length: layers / 2 }, (_, i) => 2 * i),
    num_experts: new Array<number>(layers / 2).fill(4),
    top_k_experts: 2,
    eval_capacity_factor: 2,
    min_capacity: 0,
  });
  const common = { num_attention_heads: 32, num_key_value_heads: 32, hidden_size: 2048, num_hidden_layers: 24 };
  const phi = { hidden_size: 2560, intermediate_size: 10240, num_hidden_layers: 32, partial_rotary_factor: 0.4, vocab_size: 51200 };
  const qwen = { num_attention_heads: 16, intermediate_size: 11008, kv_channels: 128, seq_length: 8192, vocab_size: 151936 };
  const stablelm = { intermediate_size: 5632, rope_pct: 0.25, use_qkv_bias: true, vocab_size: 100352 };
  for (const [type, own, dim, rotary] of [
    ['moe_llava_phi', phi, 80, 32],
    ['moe_llava_qwen', qwen, 128, 128],
    ['moe_llava_stablelm', stablelm, 64, 16],
  ] as const) {
    const values = { ...common, model_type: type, ...own };
    const config = new Config('config.json', { ...values, moe: moe(values.num_hidden_layers) });
    const b = backboneOf(config);
    assert.deepEqual([b.dim, b.rotary.dims, b.kvHeads, b.vocabulary], [dim, rotary, values.num_attention_heads, own.vocab_size], type);
    const m = moeConfig(config);
    assert.equal(m.experts.filter((n) => n === 4).length, values.num_hidden_layers / 2);
    assert.ok(!moeHooks(m, b).wholePrefill, `${type}: two of four experts with a factor of two drop nothing, so chunks are free`);
    assert.ok(moeHooks({ ...m, factor: 1 }, b).wholePrefill, type);
  }
});
