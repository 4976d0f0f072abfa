// LLaVA-1.5 (Liu et al. 2023): CLIP's penultimate layer without its class row, then a small MLP into a LLaMA or Mistral.

import { InputError } from '../errors.ts';
import { Graph, rows } from '../graph/graph.ts';
import { Weights } from '../graph/weights.ts';
import { pixelsOf, preprocessing } from '../image/preprocess.ts';
import { type ClipConfig, clip, clipConfig } from './clip.ts';
import type { Config } from './config.ts';
import { Decoder } from './decoder.ts';
import { llamaConfig } from './llama.ts';
import type { Checkpoint, ImageEncoder, ModelDefinition, ModelOptions } from './model.ts';
import { projector } from './projector.ts';

export const llava15: ModelDefinition = {
  name: 'llava-1.5',
  matches: () => true,
  open(checkpoint, options) {
    const weights = Weights.over(checkpoint.files);
    const decoder = openDecoder(weights, checkpoint.config, options);
    return { name: 'llava-1.5', weights: [weights], decoder, ...(checkpoint.vision ? { encoder: towerEncoder(weights, checkpoint, options) } : {}) };
  },
};

/** The LLaMA or Mistral half, with the options' defaults. */
export function openDecoder(weights: Weights, config: Config, options: ModelOptions): Decoder {
  const c = llamaConfig(config);
  const context = options.context ?? Math.min(c.context, 4096);
  if (!Number.isInteger(context) || context < 1) throw new InputError(`context: must be a positive integer: got ${context}`);
  return new Decoder(weights, c, { context, chunk: Math.min(options.chunk ?? 512, context), cacheType: options.cacheType ?? 'kv-f16' });
}

/** The tower's graph: pixels in, projected rows out. */
function towerGraph(w: Weights, c: Config, vision: ClipConfig): Graph {
  const g = new Graph('tower');
  const size = vision.imageSize;
  const pixels = g.input('pixels', 'f32', [3 * size, size]);
  const select = c.number('mm_vision_select_layer', -2);
  const depth = select < 0 ? vision.layers + 1 + select : select;
  const hidden = clip(g, w.at('model.vision_tower.vision_tower.vision_model'), vision, pixels, depth);
  const patches = (size / vision.patch) ** 2;
  const features = c.string('mm_vision_select_feature', 'patch') === 'patch' ? rows(hidden, 1, patches) : hidden;
  g.tap('vision_features', features);
  g.section('projector', () => {
    const type = c.string('mm_projector_type', 'linear');
    g.output('projected', projector(g, w.at('model.mm_projector'), type, features, vision.hidden, c.size('hidden_size', 4096)));
  });
  return g;
}

function towerEncoder(weights: Weights, { config, vision }: Checkpoint, options: ModelOptions): ImageEncoder {
  const tower = clipConfig(vision!.config);
  const mode = options.imageMode ?? (config.string('image_aspect_ratio', 'square') === 'pad' ? 'pad' : 'square');
  const settings = preprocessing(vision!.preprocessor.values, mode);
  const build = () => towerGraph(weights, config, tower);
  return {
    async prepare(programs, load) {
      await programs.get('tower', build, [], load);
    },
    async encode(programs, image, { spent, signal, keep = [], visit } = {}) {
      const program = await programs.get('tower', build, keep);
      const pixels = await pixelsOf(image, settings, programs.engine);
      programs.engine.write(program, 'pixels', pixels);
      await programs.run(program, spent, signal);
      visit?.(program, pixels);
      const features = programs.engine.read(program, 'projected');
      return { features, rows: features.length / config.size('hidden_size', 4096) };
    },
  };
}
