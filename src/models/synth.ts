// Checkpoints of the exact shapes of known models with random weights: for measuring, not for answers.

import { InputError } from '../errors.ts';
import { ggufHead, padding, tensorBytes, type WriteTensor, type WriteValue } from '../formats/ggufWriter.ts';
import { BLOCKS, type StorageType } from '../formats/tensors.ts';
import type { Json } from './config.ts';
import { phi2Family } from './synthPhi2.ts';
import { POOL_BLOCKS, type PoolFill, pool, repeat } from './synthPool.ts';
import { dynamicVariant } from './synthPredictors.ts';
import { MQT_VARIANT, type SynthVariant, UHD_PAPER_VARIANT, UHD_VARIANT } from './synthResamplers.ts';

export interface LanguageShape {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
  readonly context: number;
  /** With it the file also holds a tower and its projector. */
  readonly tower?: TowerShape;
  /** The projector, where it is not LLaVA-1.5's MLP. */
  readonly variant?: SynthVariant;
  /** The language model, where it is no LLaMA. */
  readonly family?: SynthFamily;
}

/** A random tensor of a file. */
export interface SynthTensor extends WriteTensor {
  /** Default: near one. */
  readonly fill?: PoolFill;
  /** Block of the pool that it begins with; default 0. */
  readonly from?: number;
}

/** A language model other than LLaMA. */
export interface SynthFamily {
  readonly architecture: string;
  /** Keys that only this architecture has. */
  metadata(s: LanguageShape): readonly [string, WriteValue][];
  /** Keys of config.json. */
  config(s: LanguageShape): Readonly<Record<string, Json>>;
  tensors(s: LanguageShape, type: StorageType): readonly SynthTensor[];
}

export interface TowerShape {
  readonly hidden: number;
  readonly intermediate: number;
  /** Layers that LLaVA runs. */
  readonly layers: number;
  readonly heads: number;
  readonly imageSize: number;
  readonly patch: number;
}

const CLIP_L_336: TowerShape = { hidden: 1024, intermediate: 4096, layers: 23, heads: 16, imageSize: 336, patch: 14 };

const vicuna = (hidden: number, intermediate: number, layers: number, heads: number): LanguageShape => ({
  hidden,
  intermediate,
  layers,
  heads,
  kvHeads: heads,
  vocabulary: 32000,
  context: 4096,
});

const OVERHEAD: LanguageShape = { hidden: 64, intermediate: 192, layers: 2, heads: 2, kvHeads: 2, vocabulary: 320, context: 512 };
const PHI2: LanguageShape = { hidden: 2560, intermediate: 10240, layers: 32, heads: 32, kvHeads: 32, vocabulary: 51200, context: 2048 };
const VICUNA_7B = vicuna(4096, 11008, 32, 32);
const VICUNA_13B = vicuna(5120, 13824, 40, 40);

/** Models by name: language models, and LLaVAs in one file. `overhead` is the smallest that runs: what is left is the executor's own cost. */
export const SHAPES: ReadonlyMap<string, LanguageShape> = new Map([
  ['overhead', OVERHEAD],
  ['llama-block', { hidden: 2048, intermediate: 5632, layers: 1, heads: 32, kvHeads: 4, vocabulary: 320, context: 2048 }],
  ['llama-0.5b', { hidden: 1024, intermediate: 4096, layers: 24, heads: 16, kvHeads: 4, vocabulary: 32000, context: 2048 }],
  ['llama-1.1b', { hidden: 2048, intermediate: 5632, layers: 22, heads: 32, kvHeads: 4, vocabulary: 32000, context: 2048 }],
  ['vicuna-7b', VICUNA_7B],
  ['vicuna-13b', VICUNA_13B],
  ['llava-1.5-7b', { ...VICUNA_7B, tower: CLIP_L_336 }],
  ['llava-1.5-13b', { ...VICUNA_13B, tower: CLIP_L_336 }],
  ['mqt-llava-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: MQT_VARIANT }],
  ['dynamic-llava-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: dynamicVariant(2) }],
  // The same share of layers at half the depth.
  ['dynamic-llava-7b-half', { ...VICUNA_7B, layers: 16, tower: CLIP_L_336, variant: dynamicVariant(1) }],
  ['llava-uhd-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: UHD_VARIANT }],
  ['llava-uhd-13b', { ...VICUNA_13B, tower: CLIP_L_336, variant: UHD_VARIANT }],
  ['llava-uhd-paper-7b', { ...VICUNA_7B, tower: CLIP_L_336, variant: UHD_PAPER_VARIANT }],
  ['phi2-2.7b', { ...PHI2, family: phi2Family() }],
  ['moe-llava-phi2-2.7b-4e', { ...PHI2, tower: CLIP_L_336, family: phi2Family({ experts: 4, k: 2 }) }],
  ['moe-overhead', { ...OVERHEAD, family: phi2Family({ experts: 4, k: 2 }) }],
  // Rows of whole super-blocks.
  ['moe-blocks', { ...OVERHEAD, hidden: 256, intermediate: 512, heads: 4, kvHeads: 4, family: phi2Family({ experts: 4, k: 2 }) }],
  ['llava-uhd-paper-13b', { ...VICUNA_13B, tower: CLIP_L_336, variant: UHD_PAPER_VARIANT }],
]);

/** A file as pieces to be written one after the other. */
export interface SynthFile {
  readonly bytes: number;
  pieces(): Generator<Uint8Array>;
}

/** A GGUF model; matrices of the language model in `type`, of tower and projector in `towerType`, norms f32. Random, the same for the same name. */
export function synthModel(name: string, type: StorageType, towerType: StorageType = 'f16'): SynthFile {
  const s = SHAPES.get(name);
  if (!s) throw new InputError(`synth: unknown shape ${name}: known are ${[...SHAPES.keys()].join(', ')}`);
  const tensors: SynthTensor[] = [...(s.family?.tensors(s, type) ?? llamaTensors(s, type))];
  if (s.tower) {
    tensors.push(...towerTensors(s.tower, towerType));
    if (!s.variant || s.variant.keepsMlp) tensors.push(...mlpTensors(s.tower.hidden, s.hidden, towerType));
    if (s.variant) tensors.push(...s.variant.tensors(s.hidden, s.tower.hidden, towerType));
  }
  const { head, bytes } = ggufHead(metadata(name, s), tensors);
  return {
    bytes: head.length + bytes.reduce((n, b) => n + b + padding(b), 0),
    *pieces() {
      yield head;
      const pools = new Map<string, Uint8Array>();
      for (const [i, t] of tensors.entries()) {
        const { type, fill = 'near one', from = 0 } = t;
        const key = type === 'f32' ? `${type} ${fill}` : type;
        if (!pools.has(key)) pools.set(key, pool(type, fill));
        yield* repeat(pools.get(key)!, tensorBytes(t), (from % POOL_BLOCKS) * BLOCKS[type].bytes);
        yield new Uint8Array(padding(bytes[i]!));
      }
    },
  };
}

function llamaTensors(s: LanguageShape, type: StorageType): WriteTensor[] {
  const kv = (s.hidden / s.heads) * s.kvHeads;
  const tensors: WriteTensor[] = [{ name: 'token_embd.weight', type, shape: [s.vocabulary, s.hidden] }];
  for (let i = 0; i < s.layers; i++) {
    const at = (n: string, t: StorageType, ...shape: number[]) => tensors.push({ name: `blk.${i}.${n}.weight`, type: t, shape });
    at('attn_norm', 'f32', s.hidden);
    at('attn_q', type, s.hidden, s.hidden);
    at('attn_k', type, kv, s.hidden);
    at('attn_v', type, kv, s.hidden);
    at('attn_output', type, s.hidden, s.hidden);
    at('ffn_norm', 'f32', s.hidden);
    at('ffn_gate', type, s.intermediate, s.hidden);
    at('ffn_up', type, s.intermediate, s.hidden);
    at('ffn_down', type, s.hidden, s.intermediate);
  }
  tensors.push(
    { name: 'output_norm.weight', type: 'f32', shape: [s.hidden] },
    { name: 'output.weight', type, shape: [s.vocabulary, s.hidden] },
  );
  return tensors;
}

function metadata(name: string, s: LanguageShape): Map<string, WriteValue> {
  const u32 = (value: number): WriteValue => ({ type: 'u32', value });
  const pieces = vocabulary(s.vocabulary);
  const a = s.family?.architecture ?? 'llama';
  return new Map<string, WriteValue>([
    ['general.architecture', { type: 'string', value: a }],
    ['general.name', { type: 'string', value: `${name} (random)` }],
    [`${a}.context_length`, u32(s.context)],
    [`${a}.embedding_length`, u32(s.hidden)],
    [`${a}.block_count`, u32(s.layers)],
    [`${a}.feed_forward_length`, u32(s.intermediate)],
    [`${a}.attention.head_count`, u32(s.heads)],
    [`${a}.attention.head_count_kv`, u32(s.kvHeads)],
    ...(s.family?.metadata(s) ?? llamaMetadata(s)),
    [`${a}.vocab_size`, u32(s.vocabulary)],
    ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
    ['tokenizer.ggml.tokens', { type: 'strings', value: pieces }],
    ['tokenizer.ggml.scores', { type: 'f32s', value: pieces.map((_, i) => (i < 259 ? 0 : 259 - i)) }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: pieces.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)) }],
    ['tokenizer.ggml.bos_token_id', u32(1)],
    ['tokenizer.ggml.eos_token_id', u32(2)],
    ...(s.tower ? towerMetadata(s.tower) : []),
    ...(s.variant || s.family ? ownMetadata(s) : []),
  ]);
}

const llamaMetadata = (s: LanguageShape): [string, WriteValue][] => [
  ['llama.rope.dimension_count', { type: 'u32', value: s.hidden / s.heads }],
  ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }],
];

function towerTensors(t: TowerShape, type: StorageType): WriteTensor[] {
  const tensors: WriteTensor[] = [];
  const norm = (name: string) => {
    for (const part of ['weight', 'bias']) tensors.push({ name: `${name}.${part}`, type: 'f32', shape: [t.hidden] });
  };
  const patches = Math.floor(t.imageSize / t.patch) ** 2;
  tensors.push(
    { name: 'v.class_embd', type: 'f32', shape: [t.hidden] },
    { name: 'v.patch_embd.weight', type: 'f16', shape: [t.hidden, 3, t.patch, t.patch] },
    { name: 'v.position_embd.weight', type: 'f32', shape: [patches + 1, t.hidden] },
  );
  norm('v.pre_ln');
  for (let i = 0; i < t.layers; i++) {
    for (const n of ['attn_q', 'attn_k', 'attn_v', 'attn_out']) tensors.push(...layer(`v.blk.${i}.${n}`, type, t.hidden, t.hidden));
    norm(`v.blk.${i}.ln1`);
    norm(`v.blk.${i}.ln2`);
    tensors.push(...layer(`v.blk.${i}.ffn_up`, type, t.intermediate, t.hidden));
    tensors.push(...layer(`v.blk.${i}.ffn_down`, type, t.hidden, t.intermediate));
  }
  return tensors;
}

const mlpTensors = (from: number, width: number, type: StorageType): WriteTensor[] => [
  ...layer('mm.0', type, width, from),
  ...layer('mm.2', type, width, width),
];

const layer = (name: string, type: StorageType, out: number, from: number): WriteTensor[] => [
  { name: `${name}.weight`, type, shape: [out, from] },
  { name: `${name}.bias`, type: 'f32', shape: [out] },
];

/** Keys of the files that pumice writes, which variants need. */
function ownMetadata(s: LanguageShape): [string, WriteValue][] {
  const { tower: t } = s;
  const json = (value: Json): WriteValue => ({ type: 'string', value: JSON.stringify(value) });
  return [
    ['pumice.layers', { type: 'u32', value: s.layers }],
    [
      'pumice.config',
      json({
        model_type: 'llava_llama',
        hidden_size: s.hidden,
        intermediate_size: s.intermediate,
        num_hidden_layers: s.layers,
        num_attention_heads: s.heads,
        num_key_value_heads: s.kvHeads,
        vocab_size: s.vocabulary,
        max_position_embeddings: s.context,
        rms_norm_eps: 1e-5,
        ...s.family?.config(s),
        ...(t && {
          mm_hidden_size: t.hidden,
          mm_vision_tower: 'inside',
          mm_projector_type: 'mlp2x_gelu',
          mm_vision_select_layer: -2,
          mm_vision_select_feature: 'patch',
          image_aspect_ratio: 'pad',
        }),
        ...s.variant?.config,
      }),
    ],
    ...(t ? visionMetadata(t) : []),
  ];
}

function visionMetadata(t: TowerShape): [string, WriteValue][] {
  const json = (value: Json): WriteValue => ({ type: 'string', value: JSON.stringify(value) });
  return [
    [
      'pumice.vision',
      json({
        hidden_size: t.hidden,
        intermediate_size: t.intermediate,
        // The last one is never run, and not in the file.
        num_hidden_layers: t.layers + 1,
        num_attention_heads: t.heads,
        image_size: t.imageSize,
        patch_size: t.patch,
        hidden_act: 'quick_gelu',
      }),
    ],
    ['pumice.preprocessor', json({ size: { shortest_edge: t.imageSize }, crop_size: { height: t.imageSize, width: t.imageSize } })],
  ];
}

function towerMetadata(t: TowerShape): [string, WriteValue][] {
  const u32 = (value: number): WriteValue => ({ type: 'u32', value });
  return [
    ['clip.has_vision_encoder', { type: 'bool', value: true }],
    ['clip.projector_type', { type: 'string', value: 'mlp' }],
    ['clip.vision.image_size', u32(t.imageSize)],
    ['clip.vision.patch_size', u32(t.patch)],
    ['clip.vision.embedding_length', u32(t.hidden)],
    ['clip.vision.feed_forward_length', u32(t.intermediate)],
    ['clip.vision.block_count', u32(t.layers)],
    ['clip.vision.attention.head_count', u32(t.heads)],
    ['clip.vision.attention.layer_norm_epsilon', { type: 'f32', value: 1e-5 }],
    ['clip.vision.image_mean', { type: 'f32s', value: [0.48145466, 0.4578275, 0.40821073] }],
    ['clip.vision.image_std', { type: 'f32s', value: [0.26862954, 0.26130258, 0.27577711] }],
  ];
}

/** A LLaMA-like vocabulary: three control tokens, 256 bytes, then words without meaning. */
function vocabulary(size: number): string[] {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const word = (n: number): string => (n < 26 ? letters[n]! : word(Math.floor(n / 26) - 1) + letters[n % 26]!);
  return Array.from({ length: size }, (_, i) => {
    if (i < 3) return ['<unk>', '<s>', '</s>'][i]!;
    if (i < 259) return `<0x${(i - 3).toString(16).toUpperCase().padStart(2, '0')}>`;
    return i === 259 ? '\u2581' : `${i % 2 ? '\u2581' : ''}${word(i >> 1)}`;
  });
}
