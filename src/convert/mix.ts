// Which type each tensor of a quantized file gets: by its role, as llama.cpp's mixes have it.

import { InputError } from '../errors.ts';
import { BLOCKS, type StorageType } from '../formats/tensors.ts';

/** A named mix. */
export interface Mix {
  readonly name: string;
  /** `general.file_type`. */
  readonly ftype: number;
  readonly base: StorageType;
}

const MIXES: readonly Mix[] = (
  [
    ['f32', 0, 'f32'],
    ['f16', 1, 'f16'],
    ['bf16', 32, 'bf16'],
    ['q4_0', 2, 'q4_0'],
    ['q4_1', 3, 'q4_1'],
    ['q5_0', 8, 'q5_0'],
    ['q5_1', 9, 'q5_1'],
    ['q8_0', 7, 'q8_0'],
    ['q2_k', 10, 'q2_k'],
    ['q2_k_s', 21, 'q2_k'],
    ['q3_k_s', 11, 'q3_k'],
    ['q3_k_m', 12, 'q3_k'],
    ['q3_k_l', 13, 'q3_k'],
    ['q4_k_s', 14, 'q4_k'],
    ['q4_k_m', 15, 'q4_k'],
    ['q5_k_s', 16, 'q5_k'],
    ['q5_k_m', 17, 'q5_k'],
    ['q6_k', 18, 'q6_k'],
    ['iq4_nl', 25, 'iq4_nl'],
    ['iq4_xs', 30, 'iq4_xs'],
  ] as const
).map(([name, ftype, base]) => ({ name, ftype, base }));

/** Names of all mixes. */
export const MIX_NAMES: readonly string[] = MIXES.map((mix) => mix.name);

/** The mix of a name in any case; `q3_k`, `q4_k` and `q5_k` stand for their medium ones. Throws InputError for others. */
export function mixOf(name: string): Mix {
  const lower = name.toLowerCase();
  const found = MIXES.find((mix) => mix.name === lower) ?? MIXES.find((mix) => mix.name === `${lower}_m`);
  if (!found) throw new InputError(`type: got ${name}, one of ${MIX_NAMES.join(', ')} is expected`);
  return found;
}

/** What the rules look at besides the tensor. */
export interface MixContext {
  /** Layers of the language model. */
  readonly layers: number;
  /** Query heads for each key head. */
  readonly groups: number;
  /** No output.weight: the embedding table is the head. */
  readonly tied: boolean;
  /** There is an importance matrix. */
  readonly weighted: boolean;
}

const PLAIN: ReadonlySet<StorageType> = new Set<StorageType>(['f32', 'f16', 'bf16']);

/** Where a row is no whole number of blocks. */
const FALLBACK: Partial<Record<StorageType, StorageType>> = {
  q2_k: 'q4_0',
  q3_k: 'q4_0',
  q4_k: 'q5_0',
  q5_k: 'q5_1',
  q6_k: 'q8_0',
  iq4_xs: 'iq4_nl',
};

/** Tower, projector and what variants add beside the layers: small, and sensitive. */
const isSide = (name: string): boolean => !/^(token_embd|output|lm_head|blk\.\d+|model\.layers\.\d+|transformer\.h\.\d+)\./.test(name);
/** What decides about experts: small, and near ties flip. */
export const isRouter = (name: string): boolean => /ffn_gate_inp|\.wg\.|\.coefficient\./.test(name);
/** Routers, norms that have a matrix, positions: as they are. */
const isExact = (name: string): boolean => isRouter(name) || /router|norm|position_embd|class_embd|rope_freqs/.test(name);

/** Type of a tensor in a file of the mix. `stored`: its type now. */
export function typeInMix(mix: Mix, name: string, shape: readonly number[], stored: StorageType, context: MixContext): StorageType {
  if (shape.length < 2 || !name.endsWith('weight') || isExact(name)) return 'f32';
  if (PLAIN.has(mix.base)) return mix.base;
  if (isSide(name)) return stored === 'f32' || stored === 'bf16' ? 'f16' : stored;
  return fitting(byRole(mix, name, context), shape.at(-1)!);
}

/** Tower and projector, resamplers included. */
const isVision = (name: string): boolean => /^(v|mm|model\.(vision_tower|mm_projector|query_abstractor))\./.test(name);

/** Type of a tensor where the matrices of tower and projector become `type`; `chosen`: without that wish. Rows that are no whole number of blocks get 16 bits. */
export function typeInTower(type: StorageType, name: string, shape: readonly number[], chosen: StorageType): StorageType {
  if (!isVision(name) || shape.length < 2 || !name.endsWith('weight') || isExact(name)) return chosen;
  return fitting(type, shape.at(-1)!);
}

function fitting(type: StorageType, cols: number): StorageType {
  const fits = (t: StorageType) => cols % BLOCKS[t].values === 0;
  if (fits(type)) return type;
  const other = FALLBACK[type];
  return other !== undefined && fits(other) ? other : 'f16';
}

function byRole({ name: mix, base }: Mix, name: string, { layers, groups, tied, weighted }: MixContext): StorageType {
  const head = tied ? 'token_embd.weight' : 'output.weight';
  if (name === head) return mix === 'q8_0' ? base : 'q6_k';
  const [, index, role] = /^blk\.(\d+)\.(.+?)(?:_exps|_shexp)?\.weight$/.exec(name) ?? [];
  if (index === undefined) return base;
  const i = Number(index);
  const eighth = Math.trunc(layers / 8);
  const more = i < eighth || i >= Math.trunc((7 * layers) / 8) || (i - eighth) % 3 === 2;
  const isValue = role === 'attn_v' || role === 'attn_qkv';
  const isDown = role === 'ffn_down';
  const isOutput = role === 'attn_output';
  switch (mix) {
    case 'q4_k_m':
    case 'q5_k_m':
      return (isValue || isDown) && more ? 'q6_k' : base;
    case 'q4_k_s':
      return (isValue && i < 4) || (isDown && i < eighth) ? 'q5_k' : base;
    case 'q3_k_m':
      if (isValue) return i < 2 ? 'q5_k' : 'q4_k';
      if (isDown) return i < Math.trunc(layers / 16) ? 'q5_k' : 'q4_k';
      return isOutput ? 'q4_k' : base;
    case 'q3_k_l':
      return isValue || isDown || isOutput ? 'q5_k' : base;
    case 'q2_k':
      if (isValue) return groups >= 4 ? 'q4_k' : 'q3_k';
      return isDown || isOutput ? 'q3_k' : base;
    case 'iq4_xs':
    case 'iq4_nl':
      return (isValue && groups >= 4) || (isDown && i < eighth) ? 'q5_k' : base;
    case 'q4_0':
      return weighted && isDown && i < eighth ? 'q4_1' : base;
    case 'q5_0':
      return weighted && isDown && i < eighth ? 'q5_1' : base;
    default:
      return base;
  }
}
