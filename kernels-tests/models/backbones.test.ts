// Which family a config opens, and with which numbers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backboneOf } from '../../src/models/backbones.ts';
import { Config, type Json } from '../../src/models/config.ts';

const open = (values: { readonly [key: string]: Json }) => backboneOf(new Config('config.json', values));

test('families by model_type', () => {
  const families: readonly (readonly [string, string])[] = [
    ['', 'llama'],
    ['llava', 'llama'],
    ['llava_next', 'llama'],
    ['llava_llama', 'llama'],
    ['mg_llava', 'llama'],
    ['llava_mistral', 'mistral'],
    ['phi3', 'phi3'],
    ['moe_llava_phi', 'phi2'],
    ['llava_phi2', 'phi2'],
    ['moe_llava_qwen1_5', 'qwen2'],
    ['llava_qwen2', 'qwen2'],
    ['moe_llava_stablelm', 'stablelm'],
  ];
  for (const [type, family] of families) assert.equal(open({ model_type: type }).family, family, type);
});

test('llava_qwen is Qwen v1 or, by its keys, Qwen 2', () => {
  assert.equal(open({ model_type: 'llava_qwen', rotary_emb_base: 10000, kv_channels: 128 }).family, 'qwen');
  assert.equal(open({ model_type: 'llava_qwen', rope_theta: 1e6 }).family, 'qwen2');
  assert.equal(open({ model_type: 'llava_qwen', rope_theta: 1e4, architecture: 'qwen' }).family, 'qwen', 'from GGUF');
});

test('other model types are named', () => {
  assert.throws(() => open({ model_type: 'llava_gpt9' }), /config\.json: model_type: got llava_gpt9, expected one of llama, /);
});

test('windows', () => {
  assert.equal(open({ model_type: 'mistral' }).window, 4096);
  assert.equal(open({ model_type: 'mistral', sliding_window: null }).window, undefined);
  assert.equal(open({ model_type: 'phi3', sliding_window: 2047 }).window, 2048);
  assert.equal(open({ model_type: 'qwen2', sliding_window: 4096, use_sliding_window: false }).window, undefined);
  assert.throws(() => open({ model_type: 'qwen2', use_sliding_window: true }), /use_sliding_window: got true/);
});

test('part of a head turns', () => {
  assert.equal(open({ model_type: 'phi', hidden_size: 2560, num_attention_heads: 32, partial_rotary_factor: 0.4 }).rotary.dims, 32);
  assert.equal(open({ model_type: 'stablelm', hidden_size: 2048, num_attention_heads: 32 }).rotary.dims, 16);
  assert.equal(open({ model_type: 'phi2', head_dim: 22, partial_rotary_factor: 18 / 22 }).rotary.dims, 18);
});

test('qwen: base of rope by the length of the prefill, queries by their position', () => {
  const b = open({ model_type: 'qwen', kv_channels: 16, seq_length: 64, rotary_emb_base: 10000 });
  const { rotary, queryScale } = b;
  assert.deepEqual(
    [1, 64, 65, 128, 129].map((n) => rotary.regime!(n)),
    [1, 1, 3, 3, 7],
  );
  assert.equal(rotary.frequencies(64)[1], Math.fround(1 / Math.fround(10000 ** (2 / 16))));
  assert.equal(rotary.frequencies(100)[1], Math.fround(1 / Math.fround((10000 * 3 ** (16 / 14)) ** (2 / 16))));
  assert.equal(queryScale!.at(63), 1);
  assert.equal(queryScale!.at(127), Math.log(128) / Math.log(64));
});

test('rope scaling of Llama 3.1, as its authors write it', () => {
  const scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
  const shape = { model_type: 'llama', hidden_size: 1024, num_attention_heads: 8, rope_theta: 500000 };
  const plain = open(shape).rotary.frequencies(1);
  const got = open({ ...shape, rope_scaling: scaling }).rotary.frequencies(1);
  plain.forEach((f, i) => {
    const wave = (2 * Math.PI) / f;
    const smooth = (8192 / wave - 1) / 3;
    const want = wave < 8192 / 4 ? f : wave > 8192 ? f / 8 : ((1 - smooth) * f) / 8 + smooth * f;
    assert.ok(Math.abs(got[i]! - want) <= 1e-6 * want, `${i}: ${got[i]} ${want}`);
  });
});

test('rope scaling: linear divides positions, YaRN blends and raises the scores, others are named', () => {
  const shape = { model_type: 'llama', hidden_size: 1024, num_attention_heads: 8 };
  assert.equal(open({ ...shape, rope_scaling: { type: 'linear', factor: 4 } }).rotary.divisor, 4);
  const plain = open(shape).rotary.frequencies(1);
  const { rotary } = open({ ...shape, rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 4096 } });
  const got = rotary.frequencies(1);
  assert.equal(got[0], plain[0], 'fast dimensions stay');
  assert.ok(Math.abs(got.at(-1)! - plain.at(-1)! / 4) < 1e-9, 'slow ones are slowed');
  assert.equal(rotary.attention, 0.1 * Math.log(4) + 1);
  assert.throws(() => open({ ...shape, rope_scaling: { type: 'dynamic', factor: 2 } }), /rope_scaling: got type dynamic, expected/);
});
