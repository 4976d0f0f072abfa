// Qwen 1.5, 2 and 2.5 (Yang et al. 2024): LLaMA's layer with biases on q, k and v, which the tensors show.

import { UnsupportedError } from '../errors.ts';
import type { Backbone } from './backbone.ts';
import type { Config } from './config.ts';
import { llama } from './llama.ts';

export function qwen2(c: Config): Backbone {
  // sliding_window may stand in a config that does not use it.
  if (c.bool('use_sliding_window', false)) throw new UnsupportedError(`${c.where}: use_sliding_window: got true, expected false`);
  return { ...llama(c, { window: undefined }), family: 'qwen2' };
}
