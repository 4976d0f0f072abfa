// LLaVA-1.5 (Liu et al. 2023): CLIP's penultimate layer without its class row, then a small MLP into a language model.

import { InputError } from '../errors.ts';
import { Graph, rows } from '../graph/graph.ts';
import { Weights } from '../graph/weights.ts';
import { pixelsOf, preprocessing } from '../image/preprocess.ts';
import type { LoadOptions } from '../runtime/load.ts';
import type { Programs } from '../runtime/programs.ts';
import type { Hooks } from './backbone.ts';
import { backboneOf } from './backbones.ts';
import { type ClipConfig, clip, clipConfig } from './clip.ts';
import type { Config } from './config.ts';
import { Decoder } from './decoder.ts';
import { TOWER } from './hubLayout.ts';
import type { Checkpoint, EncodeOptions, ImageEncoder, ModelDefinition, ModelOptions } from './model.ts';
import { projector } from './projector.ts';

export const llava15: ModelDefinition = {
  name: 'llava-1.5',
  matches: () => true,
  open(checkpoint, options) {
    const weights = Weights.over(checkpoint.files, options);
    const decoder = openDecoder(weights, checkpoint.config, options);
    const encoder = checkpoint.vision && { encoder: singleTile(openTower(weights, checkpoint), checkpoint, options) };
    return { name: 'llava-1.5', weights: [weights], decoder, ...encoder };
  },
};

/** The language half, with the options' defaults; `hooks`: what a variant changes. */
export function openDecoder(weights: Weights, config: Config, options: ModelOptions, hooks: Hooks = {}): Decoder {
  const backbone = backboneOf(config);
  const context = options.context ?? Math.min(backbone.context, 4096);
  if (!Number.isInteger(context) || context < 1) throw new InputError(`context: must be a positive integer: got ${context}`);
  return new Decoder(
    weights,
    backbone,
    { context, chunk: Math.min(options.chunk ?? 512, context), cacheType: options.cacheType ?? 'kv-f16' },
    hooks,
  );
}

/** Tower and projector of a checkpoint: one tile of pixels in, projected rows out. */
export interface Tower {
  readonly config: ClipConfig;
  /** Patches of a side. */
  readonly side: number;
  /** Width of the rows. */
  readonly hidden: number;
  prepare(programs: Programs, load?: LoadOptions): Promise<void>;
  /** Rows of each tile, f32 [rows, hidden]. */
  run(programs: Programs, tiles: readonly Float32Array[], options?: EncodeOptions): Promise<Float32Array[]>;
}

export function openTower(weights: Weights, { config, vision }: Checkpoint): Tower {
  const clip = clipConfig(vision!.config);
  const hidden = config.size('hidden_size', 4096);
  const build = () => towerGraph(weights, config, clip);
  return {
    config: clip,
    side: Math.floor(clip.imageSize / clip.patch),
    hidden,
    async prepare(programs, load) {
      await programs.get('tower', build, [], load);
    },
    async run(programs, tiles, { spent, signal, keep = [], visit } = {}) {
      const program = await programs.get('tower', build, keep);
      const all: Float32Array[] = [];
      for (const pixels of tiles) {
        programs.engine.write(program, 'pixels', pixels);
        await programs.run(program, spent, signal);
        visit?.(program, pixels);
        all.push(programs.engine.read(program, 'projected'));
      }
      return all;
    },
  };
}

function towerGraph(w: Weights, c: Config, vision: ClipConfig): Graph {
  const g = new Graph('tower');
  const size = vision.imageSize;
  const pixels = g.input('pixels', 'f32', [3 * size, size]);
  const select = c.number('mm_vision_select_layer', -2);
  const depth = select < 0 ? vision.layers + 1 + select : select;
  const hidden = clip(g, w.at(TOWER), vision, pixels, depth);
  const patches = Math.floor(size / vision.patch) ** 2;
  const features = c.string('mm_vision_select_feature', 'patch') === 'patch' ? rows(hidden, 1, patches) : hidden;
  g.tap('vision_features', features);
  g.section('projector', () => {
    const type = c.string('mm_projector_type', 'linear');
    g.output('projected', projector(g, w.at('model.mm_projector'), type, features, vision.hidden, c.size('hidden_size', 4096)));
  });
  return g;
}

function singleTile(tower: Tower, { config, vision }: Checkpoint, options: ModelOptions): ImageEncoder {
  const mode = options.imageMode ?? (config.string('image_aspect_ratio', 'square') === 'pad' ? 'pad' : 'square');
  const settings = preprocessing(vision!.preprocessor.values, mode, vision!.preprocessor.where);
  return {
    prepare: tower.prepare,
    async encode(programs, image, encode) {
      const [features] = await tower.run(programs, [await pixelsOf(image, settings, programs.engine)], encode);
      return { features: features!, rows: features!.length / tower.hidden };
    },
  };
}
