// SigLIP vision tower (google/siglip-so400m-patch14-384 and relatives; Zhai et al. 2023): CLIP's blocks without class row and first norm,
// with a bias on the patches. Pixels beyond the last whole patch are not seen.

import { type ClipConfig, clipConfig, clipTowerOf } from './clip.ts';
import type { Config } from './config.ts';
import type { VisionTower } from './towers.ts';

/** The tower's config with SigLIP's defaults. */
export const siglipConfig = (c: Config): ClipConfig => ({
  ...clipConfig(c.with({ hidden_act: c.string('hidden_act', 'gelu_pytorch_tanh'), layer_norm_eps: c.number('layer_norm_eps', 1e-6) })),
  classRow: false,
});

export const siglipTower = (c: Config): VisionTower => clipTowerOf(siglipConfig(c));
