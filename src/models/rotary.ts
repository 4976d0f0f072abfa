// Rotary position embedding as configs say it (Su et al. 2021): which elements of a head turn, in which pairs, how fast.
//
//   angle(position, j) = position / divisor * frequency(j),  frequency(j) = theta^(-2j / dims), j < dims / 2

import { UnsupportedError } from '../errors.ts';
import type { Config } from './config.ts';

export interface Rotary {
  /** Leading elements of a head that are turned; the rest passes. */
  readonly dims: number;
  /** `half` turns elements j and j + dims/2, `interleaved` 2j and 2j + 1. */
  readonly pairing: 'half' | 'interleaved';
  /** Positions are divided by it (linear scaling). */
  readonly divisor: number;
  /** Factor of cos and sin (YaRN). */
  readonly attention: number;
  /** Tensor of f32 [dims/2] by which the frequencies are divided, where the checkpoint has it (GGUF of Llama 3.1 and later). */
  readonly divisors?: string;
  /** Inverse frequencies, float32 [dims/2], of a sequence that is prefilled with so many rows. */
  frequencies(rows: number): Float32Array;
  /** Sequences of equal regime share their frequencies. Absent: all do. */
  regime?(rows: number): number;
}

/** `theta^(-2j/dims)`, rounded as float32 arithmetic rounds it. */
export const inverseFrequencies = (theta: number, dims: number): Float32Array =>
  Float32Array.from({ length: dims / 2 }, (_, j) => 1 / Math.fround(theta ** ((2 * j) / dims)));

/** Elements of a head that turn where a config gives their share. A share that a container computed from the count may be a bit below it. */
export const rotaryDims = (share: number, dim: number): number => Math.trunc(share * dim + 1e-9);

/** The keys of LLaMA-like configs: rope_theta, rope_scaling, rope_pairing. */
export function rotaryConfig(c: Config, dims: number, theta = 10000): Rotary {
  const base = c.number('rope_theta', theta);
  const scaling = c.object('rope_scaling');
  const kind = scaling?.string('type', scaling.string('rope_type', 'default')) ?? 'default';
  const common = {
    dims,
    pairing: c.string('rope_pairing', 'half') === 'interleaved' ? ('interleaved' as const) : ('half' as const),
    divisor: 1,
    attention: 1,
    ...(c.bool('rope_freqs', false) ? { divisors: 'model.rope_freqs.weight' } : {}),
  };
  const plain = inverseFrequencies(base, dims);
  switch (kind) {
    case 'default':
    case 'none':
      return { ...common, frequencies: () => plain };
    case 'linear':
      return { ...common, divisor: scaling!.number('factor'), frequencies: () => plain };
    case 'llama3': {
      const scaled = llama3(scaling!, plain);
      return { ...common, frequencies: () => scaled };
    }
    case 'yarn': {
      const scaled = yarn(scaling!, plain, base, c.size('max_position_embeddings', 2048));
      const attention = scaling!.number('attention_factor', 0.1 * Math.log(scaling!.number('factor')) + 1);
      return { ...common, attention, frequencies: () => scaled };
    }
    default:
      throw new UnsupportedError(`${c.where}: rope_scaling: got type ${kind}, expected linear, llama3 or yarn`);
  }
}

/** Llama 3.1: long waves are slowed by `factor`, short ones stay, those between are blended. */
function llama3(s: Config, plain: Float32Array): Float32Array {
  const factor = s.number('factor');
  const low = s.number('low_freq_factor', 1);
  const high = s.number('high_freq_factor', 4);
  const turns = s.number('original_max_position_embeddings', 8192) / (2 * Math.PI);
  return plain.map((f) => {
    const smooth = Math.min(1, Math.max(0, (turns * f - low) / (high - low)));
    return (1 - smooth) * (f / factor) + smooth * f;
  });
}

/** YaRN (Peng et al. 2023): dimensions that turn often keep their speed, those that turn rarely are slowed by `factor`. */
function yarn(s: Config, plain: Float32Array, theta: number, context: number): Float32Array {
  const factor = s.number('factor');
  const original = s.number('original_max_position_embeddings', context);
  const dims = 2 * plain.length;
  const dimOf = (turns: number) => (dims * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(0, Math.floor(dimOf(s.number('beta_fast', 32))));
  const high = Math.min(dims - 1, Math.ceil(dimOf(s.number('beta_slow', 1))));
  return plain.map((f, j) => {
    const slow = Math.min(1, Math.max(0, (j - low) / Math.max(high - low, 0.001)));
    return (f / factor) * slow + f * (1 - slow);
  });
}
