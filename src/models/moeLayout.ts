// Checkpoints of MoE-LLaVA and LLaVA-MoD, dense or sparse, in canonical form: their own keys and names become the original LLaVA's.

import { UnsupportedError } from '../errors.ts';
import type { Config } from './config.ts';

/** Does a config have this layout? */
export const isMoeLayout = (c: Config): boolean => c.has('mm_image_tower') || c.has('image_projector_type');

/** The original LLaVA's keys. Throws UnsupportedError for what has no released model: video, S2 towers, unmerged LoRA. */
export function moeLayoutConfig(c: Config): Config {
  const reject = (key: string, expected: string): never => {
    throw new UnsupportedError(`${c.where}: ${key}: got ${JSON.stringify(c.values[key])}, expected ${expected}`);
  };
  if (c.has('mm_video_tower')) reject('mm_video_tower', 'null: only pictures are understood');
  if (c.has('s2') && c.bool('s2')) reject('s2', 'false');
  if (c.object('lora')?.bool('lora_enable', false)) reject('lora', 'merged weights: give the adapter as `adapter`');
  return c.with({
    ...(c.has('mm_image_tower') ? { mm_vision_tower: c.string('mm_image_tower') } : {}),
    mm_projector_type: c.string('image_projector_type', 'linear'),
    // Anything but `pad` is the image processor alone.
    image_aspect_ratio: c.string('image_aspect_ratio', 'square') === 'pad' ? 'pad' : 'square',
  });
}

/** Canonical name of a tensor: tower and projector stand below the language model's own prefix. */
export const moeLayoutName = (name: string): string =>
  name
    .replace(/^(model|transformer)\.image_tower\.image_tower\.vision_model\./, 'model.vision_tower.vision_tower.vision_model.')
    .replace(/^(model|transformer)\.mm_projector\.image_spatial_proj\./, 'model.mm_projector.');
