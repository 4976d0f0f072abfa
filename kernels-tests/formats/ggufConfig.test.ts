import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGguf } from '../../src/formats/gguf.ts';
import { ggufTextConfig, ggufVisionConfig } from '../../src/formats/ggufConfig.ts';
import { clipGgufNames, clipHubNames, LANGUAGE_ARCHITECTURES, languageGgufNames, languageHubNames } from '../../src/formats/ggufNames.ts';
import { renamed } from '../../src/formats/renamed.ts';
import { bufferSource } from '../../src/formats/source.ts';
import { type Pair, type TensorToWrite, writeGguf } from './writeGguf.ts';

const open = (pairs: readonly Pair[], tensors: readonly TensorToWrite[] = []) =>
  openGguf(bufferSource(writeGguf(pairs, tensors), 'm.gguf'));

const LLAMA: readonly Pair[] = [
  ['general.architecture', 'string', 'llama'],
  ['llama.context_length', 'u64', 4096],
  ['llama.embedding_length', 'u32', 64],
  ['llama.block_count', 'u16', 2],
  ['llama.feed_forward_length', 'array', 'u32', [96, 96]],
  ['llama.attention.head_count', 'u32', 4],
  ['llama.attention.layer_norm_rms_epsilon', 'f32', 2 ** -17],
];

test('a llama config with the defaults of the format', async () => {
  const file = await open(
    [...LLAMA, ['tokenizer.ggml.tokens', 'array', 'string', ['a', 'b']]],
    [{ name: 'token_embd.weight', axes: [64, 3] }],
  );
  assert.deepEqual(ggufTextConfig(file), {
    architecture: 'llama',
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    head_dim: 16,
    rms_norm_eps: 2 ** -17,
    layer_norm_eps: null,
    rope_theta: 10000,
    rope_scaling: null,
    partial_rotary_factor: 1,
    rope_pairing: 'interleaved',
    rope_freqs: false,
    vocab_size: 3,
    token_count: 2,
    max_position_embeddings: 4096,
    sliding_window: null,
    tie_word_embeddings: true,
  });
});

test('rope scaling, key-value heads and head width are read', async () => {
  const more: Pair[] = [
    ['llama.rope.scaling.type', 'string', 'yarn'],
    ['llama.rope.scaling.factor', 'f32', 4],
    ['llama.rope.scaling.original_context_length', 'u32', 1024],
    ['llama.attention.head_count_kv', 'u32', 2],
    ['llama.attention.key_length', 'u32', 32],
    ['llama.attention.value_length', 'u32', 32],
    ['llama.vocab_size', 'u32', 9],
  ];
  const config = ggufTextConfig(await open([...LLAMA, ...more]));
  assert.deepEqual(config.rope_scaling, { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1024 });
  assert.equal(config.num_key_value_heads, 2);
  assert.equal(config.head_dim, 32);
  assert.equal(config.vocab_size, 9);
  const old = ggufTextConfig(await open([...LLAMA, ['llama.rope.scale_linear', 'f32', 2], ['llama.vocab_size', 'u32', 9]]));
  assert.deepEqual(old.rope_scaling, { rope_type: 'linear', factor: 2 });
});

test('what a config refuses', async () => {
  const code = (wanted: string, message: RegExp) => (error: unknown) => {
    assert.equal((error as { code?: string }).code, wanted, String(error));
    assert.match(String(error), message);
    return true;
  };
  const without = (key: string): Pair[] => LLAMA.filter((pair) => pair[0] !== key);
  const none = await open([]);
  assert.throws(() => ggufTextConfig(none), code('missing_key', /general\.architecture/));
  const other = await open([['general.architecture', 'string', 'mamba']]);
  assert.throws(() => ggufTextConfig(other), code('unsupported', /got the architecture mamba, one of llama,/));
  const headless = await open(without('llama.attention.head_count'));
  assert.throws(() => ggufTextConfig(headless), code('missing_key', /llama\.attention\.head_count is missing/));
  const uneven = await open([
    ...without('llama.feed_forward_length'),
    ['llama.feed_forward_length', 'array', 'u32', [96, 128]],
    ['llama.vocab_size', 'u32', 9],
  ]);
  assert.throws(() => ggufTextConfig(uneven), code('unsupported', /differs from layer to layer \(96, 128\)/));
  const zero = await open([...without('llama.attention.head_count'), ['llama.attention.head_count', 'u32', 0]]);
  assert.throws(() => ggufTextConfig(zero), code('structure', /got 0, a whole number above 0/));
  const model = await open(LLAMA);
  assert.throws(
    () => ggufVisionConfig(model),
    code('unsupported', /has no vision tower: a projector file \(mmproj\), or a model that holds its tower, is expected here/),
  );
});

const CLIP: readonly Pair[] = [
  ['general.architecture', 'string', 'clip'],
  ['clip.has_vision_encoder', 'bool', true],
  ['clip.use_gelu', 'bool', false],
  ['clip.vision.image_size', 'u32', 336],
  ['clip.vision.patch_size', 'u32', 14],
  ['clip.vision.embedding_length', 'u32', 8],
  ['clip.vision.feed_forward_length', 'u32', 32],
  ['clip.vision.block_count', 'u32', 1],
  ['clip.vision.attention.head_count', 'u32', 2],
  ['clip.vision.attention.layer_norm_epsilon', 'f32', 0.5],
  ['clip.vision.image_mean', 'array', 'f32', [0.5, 0.25, 0.125]],
  ['clip.vision.image_std', 'array', 'f32', [1, 1, 1]],
  ['clip.vision.image_grid_pinpoints', 'array', 'i32', [336, 672, 672, 336]],
];

/** Tensors of a tower of two layers; `down` is the name of the first linear layer's. */
const tower = (first: string, second: string): TensorToWrite[] => [
  { name: 'v.class_embd', axes: [8] },
  { name: 'mm.0.weight', axes: [8, 16] },
  { name: 'mm.2.weight', axes: [16, 16] },
  { name: 'model.image_newline', axes: [16] },
  ...[0, 1].flatMap((i) => [
    { name: `v.blk.${i}.${first}.weight`, axes: [8, 32] },
    { name: `v.blk.${i}.${first}.bias`, axes: [32] },
    { name: `v.blk.${i}.${second}.weight`, axes: [32, 8] },
    { name: `v.blk.${i}.${second}.bias`, axes: [8] },
  ]),
];

test('a projector file of 2023: the stored layers count, the projector type is guessed', async () => {
  const config = ggufVisionConfig(await open(CLIP, tower('ffn_down', 'ffn_up')));
  assert.equal(config.num_hidden_layers, 2);
  assert.equal(config.select_layer, 2);
  assert.equal(config.hidden_act, 'quick_gelu');
  assert.equal(config.projector_type, 'mlp');
  assert.equal(config.projector_width, 16);
  assert.deepEqual(config.image_mean, [0.5, 0.25, 0.125]);
  assert.deepEqual(config.image_grid_pinpoints, [
    [336, 672],
    [672, 336],
  ]);
});

for (const [kind, first, second] of [
  ['swapped', 'ffn_down', 'ffn_up'],
  ['straight', 'ffn_up', 'ffn_down'],
] as const) {
  test(`hub names of a projector file whose MLP is ${kind}`, async () => {
    const file = await open(CLIP, tower(first, second));
    const view = renamed(file, clipHubNames(file, 8));
    const layer = 'model.vision_tower.vision_tower.vision_model.encoder.layers.1.mlp';
    assert.deepEqual(view.tensors.get(`${layer}.fc1.weight`)?.shape, [32, 8]);
    assert.deepEqual(view.tensors.get(`${layer}.fc1.bias`)?.shape, [32]);
    assert.deepEqual(view.tensors.get(`${layer}.fc2.weight`)?.shape, [8, 32]);
    assert.deepEqual(view.tensors.get('model.mm_projector.2.weight')?.shape, [16, 16]);
    assert.ok(view.tensors.has('model.image_newline'));
    assert.equal(view.tensors.size, file.tensors.size);
    assert.equal(clipGgufNames()(`${layer}.fc1.bias`), 'v.blk.1.ffn_up.bias');
  });
}

test('language names go both ways', () => {
  const hub = languageHubNames('llama')!;
  assert.equal(hub('blk.31.attn_q.weight'), 'model.layers.31.self_attn.q_proj.weight');
  assert.equal(hub('blk.0.ffn_norm.weight'), 'model.layers.0.post_attention_layernorm.weight');
  assert.equal(hub('token_embd.weight'), 'model.embed_tokens.weight');
  assert.equal(hub('output.weight'), 'lm_head.weight');
  assert.equal(hub('blk.0.unheard_of.weight'), null);
  assert.equal(languageHubNames('mamba'), null);
  for (const architecture of LANGUAGE_ARCHITECTURES) {
    const there = languageHubNames(architecture)!;
    const back = languageGgufNames(architecture)!;
    for (const name of [
      'token_embd.weight',
      'output_norm.weight',
      'output.bias',
      'blk.7.attn_norm.weight',
      'blk.12.ffn_up.weight',
      'blk.3.attn_output.bias',
    ]) {
      assert.equal(back(there(name)!), name, `${architecture} ${name}`);
    }
  }
});

test('a renamed view reads through, leaves out and refuses collisions', async () => {
  const data = new Uint8Array([1, 2, 3, 4]);
  const file = await open(
    [],
    [
      { name: 'a', axes: [1], data },
      { name: 'b', axes: [1] },
    ],
  );
  const view = renamed(file, (name) => (name === 'a' ? 'x' : null));
  assert.deepEqual([...view.tensors.keys()], ['x']);
  const bytes = new Uint8Array(2);
  await view.readInto(view.tensors.get('x')!, bytes, 2);
  assert.deepEqual([...bytes], [3, 4]);
  await assert.rejects(view.readInto(file.tensors.get('b')!, bytes), /there is no tensor b/);
  assert.throws(() => renamed(file, () => 'x'), /the tensors a and b both stand for x/);
});
