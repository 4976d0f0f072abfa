// Random numbers of a mixture's gate. DeepSpeed draws them in evaluation too, so published numbers of MoE-LLaVA come from random second experts.
//
//   top-2   Gumbel(0, 1) added to the logits of the second choice: expert j is chosen with its softmax probability
//   top-1   uniform: an expert that overflows keeps the rows of the largest numbers

import type { Run } from './backbone.ts';

/** What numbers are wanted for. */
export interface NoiseRequest {
  readonly kind: Run['kind'];
  readonly layer: number;
  /** Position of the first row. */
  readonly past: number;
  readonly rows: number;
  readonly experts: number;
}

/** f32 [rows, experts] for the rows of a run in one layer. */
export type RouterNoise = (request: NoiseRequest) => Float32Array;

/** Numbers that depend on seed, layer, position and expert only: chunks and reused caches change nothing. `k`: experts of a row. */
export function seededNoise(seed: number, k: number): RouterNoise {
  return ({ layer, past, rows, experts }) =>
    Float32Array.from({ length: rows * experts }, (_, i) => {
      const u = uniform([seed | 0, Math.floor(seed / 2 ** 32) | 0, layer, past + Math.floor(i / experts), i % experts]);
      return k === 1 ? u : -Math.log(-Math.log(u));
    });
}

/** Hash of numbers (murmur3's finalizer after each) to the open interval 0..1. */
function uniform(words: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const w of words) {
    h = Math.imul(h ^ w, 0x85ebca6b) + 0x632be5ab;
    h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
    h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
    h ^= h >>> 15;
  }
  return ((h >>> 0) + 0.5) / 2 ** 32;
}
