// Checkpoints of the exact shapes of known models with random weights: for measuring, not for answers.

import { InputError } from '../errors.ts';
import { ggufHead, padding, tensorBytes, type WriteTensor, type WriteValue } from '../formats/ggufWriter.ts';
import { f32ToF16 } from '../formats/half.ts';
import type { StorageType } from '../formats/tensors.ts';

export interface LanguageShape {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
  readonly context: number;
  /** With it the file also holds a tower (f16) and its projector. */
  readonly tower?: TowerShape;
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

/** Models by name: language models, and LLaVAs in one file. `overhead` is the smallest that runs: what is left is the executor's own cost. */
export const SHAPES: ReadonlyMap<string, LanguageShape> = new Map([
  ['overhead', { hidden: 64, intermediate: 192, layers: 2, heads: 2, kvHeads: 2, vocabulary: 320, context: 512 }],
  ['llama-1.1b', { hidden: 2048, intermediate: 5632, layers: 22, heads: 32, kvHeads: 4, vocabulary: 32000, context: 2048 }],
  ['vicuna-7b', vicuna(4096, 11008, 32, 32)],
  ['vicuna-13b', vicuna(5120, 13824, 40, 40)],
  ['llava-1.5-7b', { ...vicuna(4096, 11008, 32, 32), tower: CLIP_L_336 }],
  ['llava-1.5-13b', { ...vicuna(5120, 13824, 40, 40), tower: CLIP_L_336 }],
]);

/** A file as pieces to be written one after the other. */
export interface SynthFile {
  readonly bytes: number;
  pieces(): Generator<Uint8Array>;
}

/** A GGUF model of architecture llama; matrices of the language model in `type`, norms f32. Random, the same for the same name. */
export function synthModel(name: string, type: StorageType): SynthFile {
  const s = SHAPES.get(name);
  if (!s) throw new InputError(`synth: unknown shape ${name}: known are ${[...SHAPES.keys()].join(', ')}`);
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
  if (s.tower) tensors.push(...towerTensors(s.tower, s.hidden));
  const { head, bytes } = ggufHead(metadata(name, s), tensors);
  return {
    bytes: head.length + bytes.reduce((n, b) => n + b + padding(b), 0),
    *pieces() {
      yield head;
      const pools = new Map<StorageType, Uint8Array>();
      for (const [i, t] of tensors.entries()) {
        if (!pools.has(t.type)) pools.set(t.type, pool(t.type));
        yield* repeat(pools.get(t.type)!, tensorBytes(t));
        yield new Uint8Array(padding(bytes[i]!));
      }
    },
  };
}

function metadata(name: string, s: LanguageShape): Map<string, WriteValue> {
  const u32 = (value: number): WriteValue => ({ type: 'u32', value });
  const pieces = vocabulary(s.vocabulary);
  return new Map<string, WriteValue>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.name', { type: 'string', value: `${name} (random)` }],
    ['llama.context_length', u32(s.context)],
    ['llama.embedding_length', u32(s.hidden)],
    ['llama.block_count', u32(s.layers)],
    ['llama.feed_forward_length', u32(s.intermediate)],
    ['llama.attention.head_count', u32(s.heads)],
    ['llama.attention.head_count_kv', u32(s.kvHeads)],
    ['llama.rope.dimension_count', u32(s.hidden / s.heads)],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }],
    ['llama.vocab_size', u32(s.vocabulary)],
    ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
    ['tokenizer.ggml.tokens', { type: 'strings', value: pieces }],
    ['tokenizer.ggml.scores', { type: 'f32s', value: pieces.map((_, i) => (i < 259 ? 0 : 259 - i)) }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: pieces.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)) }],
    ['tokenizer.ggml.bos_token_id', u32(1)],
    ['tokenizer.ggml.eos_token_id', u32(2)],
    ...(s.tower ? towerMetadata(s.tower) : []),
  ]);
}

function towerTensors(t: TowerShape, width: number): WriteTensor[] {
  const tensors: WriteTensor[] = [];
  const matrix = (name: string, ...shape: number[]) => {
    tensors.push({ name: `${name}.weight`, type: 'f16', shape }, { name: `${name}.bias`, type: 'f32', shape: [shape[0]!] });
  };
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
    for (const n of ['attn_q', 'attn_k', 'attn_v', 'attn_out']) matrix(`v.blk.${i}.${n}`, t.hidden, t.hidden);
    norm(`v.blk.${i}.ln1`);
    norm(`v.blk.${i}.ln2`);
    matrix(`v.blk.${i}.ffn_up`, t.intermediate, t.hidden);
    matrix(`v.blk.${i}.ffn_down`, t.hidden, t.intermediate);
  }
  matrix('mm.0', width, t.hidden);
  matrix('mm.2', width, width);
  return tensors;
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

const POOL_BLOCKS = 2 ** 15;

/** Random blocks of a type: weights of a standard deviation near 0.02, norms near 1. */
function pool(type: StorageType): Uint8Array {
  let s = 0x9e3779b9;
  const next = () => {
    s ^= s << 13;
    s >>>= 0;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s;
  };
  const half = (x: number): [number, number] => [f32ToF16(x) & 255, f32ToF16(x) >> 8];
  const scale = () => 0.003 * (0.75 + next() / 2 ** 33);
  switch (type) {
    case 'f32':
      return new Uint8Array(Float32Array.from({ length: POOL_BLOCKS }, () => 1 + (next() / 2 ** 32 - 0.5) / 10).buffer);
    case 'f16':
      return new Uint8Array(Uint16Array.from({ length: POOL_BLOCKS }, () => f32ToF16((next() / 2 ** 32 - 0.5) * 0.07)).buffer);
    case 'q8_0':
    case 'q4_0': {
      const size = type === 'q4_0' ? 18 : 34;
      const bytes = new Uint8Array(POOL_BLOCKS * size);
      for (let b = 0; b < bytes.length; b += size) {
        bytes.set(half(type === 'q4_0' ? scale() : scale() / 16), b);
        for (let i = 2; i < size; i++) bytes[b + i] = next() >>> 13;
      }
      return bytes;
    }
    default:
      throw new InputError(`synth: no random blocks of type ${type}: use f16, q8_0 or q4_0`);
  }
}

function* repeat(bytes: Uint8Array, total: number): Generator<Uint8Array> {
  for (let left = total; left > 0; left -= bytes.length) yield left < bytes.length ? bytes.subarray(0, left) : bytes;
}
