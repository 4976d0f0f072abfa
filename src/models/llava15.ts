// LLaVA-1.5 (Liu et al. 2023): CLIP's penultimate layer without its class row, then a small MLP into a language model.

import { FormatError, InputError } from '../errors.ts';
import { fixedRows } from '../graph/families/rows.ts';
import { Graph, rows } from '../graph/graph.ts';
import { concatCols } from '../graph/ops/concatCols.ts';
import type { Tensor } from '../graph/tensor.ts';
import { Weights } from '../graph/weights.ts';
import { type ImageSettings, pixelsOf, preprocessing, shownWindow } from '../image/preprocess.ts';
import type { Engine, Program } from '../runtime/engine.ts';
import type { LoadOptions } from '../runtime/load.ts';
import type { Programs } from '../runtime/programs.ts';
import { bothHooks, type HooksOf } from './backbone.ts';
import { backboneOf } from './backbones.ts';
import type { ClipView } from './clip.ts';
import type { Config } from './config.ts';
import { Decoder } from './decoder.ts';
import { fastv } from './fastv.ts';
import {
  type Checkpoint,
  type EncodeOptions,
  type ImageEncoder,
  type Model,
  type ModelDefinition,
  type ModelOptions,
  TOWER,
} from './model.ts';
import { projector } from './projector.ts';
import { isTowerPruning } from './pruning.ts';
import { towerOf, type VisionTower } from './towers.ts';

export const llava15: ModelDefinition = {
  name: 'llava-1.5',
  open: (checkpoint, options) => openSingleTile('llava-1.5', checkpoint, options),
};

/** A model that sees one square tile; `hooks`: what a variant changes in the language half. */
export async function openSingleTile(name: string, checkpoint: Checkpoint, options: ModelOptions, hooks: HooksOf = {}): Promise<Model> {
  const weights = Weights.over(checkpoint.files, options);
  const decoder = openDecoder(weights, checkpoint.config, options, hooks);
  const { vision } = checkpoint;
  const { prune } = options;
  const pruned = isTowerPruning(prune) ? (await import('./towerPruning.ts')).towerPruning(prune, checkpoint) : undefined;
  const encoder = vision && { encoder: singleTile(openTower(weights, checkpoint, pruned), tileSettings(checkpoint, options)) };
  return { name, weights: [weights], decoder, ...encoder };
}

/** Rows of a chunk by default where decisions are taken over a whole picture. */
export const PICTURE_CHUNK = 1024;

/** The language half, with the options' defaults; `hooks`: what a variant changes. FastV meets any of them. */
export function openDecoder(weights: Weights, config: Config, options: ModelOptions, hooks: HooksOf = {}): Decoder {
  const backbone = backboneOf(config);
  const context = options.context ?? Math.min(backbone.context, 4096);
  if (!Number.isInteger(context) || context < 1) throw new InputError(`context: must be a positive integer: got ${context}`);
  const { prune } = options;
  const drops = prune?.method === 'fastv';
  // Without a cache, what is dropped depends on all rows up to the newest one: they run together.
  const whole = options.sparse?.cache === false || (drops && prune.cache === false);
  const sizes = {
    context,
    chunk: whole ? context : Math.min(options.chunk ?? (drops ? PICTURE_CHUNK : 512), context),
    cacheType: options.cacheType ?? 'kv-f16',
  };
  const own = typeof hooks === 'function' ? hooks(backbone, sizes) : hooks;
  if (own.wholePrefill) sizes.chunk = context;
  return new Decoder(weights, backbone, sizes, drops ? bothHooks(own, fastv(backbone, sizes, prune)) : own);
}

/** Tower and projector of a checkpoint: one tile of pixels in, projected rows out. */
export interface Tower {
  /** Patches of a side. */
  readonly side: number;
  /** Width of the rows. */
  readonly hidden: number;
  /** Patches that the last run kept, where a variant drops some. */
  readonly kept?: TowerVariant['kept'];
  prepare(programs: Programs, load?: LoadOptions): Promise<void>;
  /** Rows of each tile, f32 [rows, hidden]. */
  run(programs: Programs, tiles: readonly Float32Array[], options?: EncodeOptions): Promise<Float32Array[]>;
}

/** What a variant has instead of the square tile and the MLP. */
export interface TowerVariant {
  /** Name of its program. */
  readonly name: string;
  /** Tokens for the language model, f32 [rows, hidden], from the features f32 [rows, width]; default: the checkpoint's MLP. */
  project?(g: Graph, features: Tensor): Tensor;
  /** Features in place of the selected hidden states' patches; `w` stands at the tower. */
  features?(g: Graph, w: Weights, pixels: Tensor): Tensor;
  /** Patches that `features` kept in the last run. */
  kept?(engine: Engine, program: Program): Int32Array;
  /** Size and positions of a tile; default: the tower's own. */
  readonly view?: ClipView;
  /** Values of inputs that the variant added to the graph. */
  readonly inputs?: Readonly<Record<string, Float32Array | Int32Array>>;
}

export function openTower(weights: Weights, { config, vision }: Checkpoint, variant?: TowerVariant): Tower {
  const family = towerOf(vision!.config);
  const from = family.hidden * selectedStates(config, family).length;
  const hidden = config.size('hidden_size', 4096);
  const mlp = (g: Graph, features: Tensor) =>
    projector(g, weights.at('model.mm_projector'), config.string('mm_projector_type', 'linear'), features, from, hidden);
  const { name = 'tower', project = mlp, inputs = {} } = variant ?? {};
  const build = () => {
    const g = new Graph(name);
    const features = g.tap('vision_features', towerFeatures(g, weights.at(TOWER), config, family, variant));
    g.section('projector', () => g.output('projected', project(g, features)));
    return g;
  };
  return {
    side: Math.floor(family.imageSize / family.patch),
    hidden,
    ...(variant?.kept && { kept: variant.kept }),
    async prepare(programs, load) {
      await programs.get(name, build, [], load);
    },
    async run(programs, tiles, { spent, signal, keep = [], visit } = {}) {
      const program = await programs.get(name, build, keep);
      const all: Float32Array[] = [];
      for (const pixels of tiles) {
        programs.engine.write(program, 'pixels', pixels);
        for (const [input, data] of Object.entries(inputs)) programs.engine.write(program, input, data);
        await programs.run(program, spent, signal);
        visit?.(program, pixels);
        all.push(programs.engine.read(program, 'projected'));
      }
      return all;
    },
  };
}

/** The hidden states that the config selects, side by side, without the class row unless it asks for it. */
function towerFeatures(g: Graph, w: Weights, c: Config, tower: VisionTower, variant?: TowerVariant): Tensor {
  const { view } = variant ?? {};
  const { height, width } = view ?? { height: tower.imageSize, width: tower.imageSize };
  const pixels = g.input('pixels', 'f32', [3 * height, width]);
  if (variant?.features) return variant.features(g, w, pixels);
  const selected = selectedStates(c, tower);
  const states = tower.hiddenStates(g, w, pixels, Math.max(...selected), { view });
  // `patch` drops the first row, also where it is a patch (SigLIP): models were trained so.
  const drops = c.string('mm_vision_select_feature', 'patch') === 'patch';
  const parts = selected.map((i) => (drops ? rows(states[i]!, 1, fixedRows('tower', states[i]!) - 1) : states[i]!));
  return parts.reduce((all, part) => g.add(concatCols, [all, part], {}));
}

/** Numbers of the hidden states that the projector sees: one, or several whose columns are put side by side. */
export function selectedStates(c: Config, tower: Pick<VisionTower, 'layers'>): readonly number[] {
  const key = 'mm_vision_select_layer';
  const several = c.numbers(key) ?? [c.number(key, -2)];
  return several.map((n) => {
    const i = n < 0 ? tower.layers + 1 + n : n;
    if (Number.isInteger(i) && i >= 0 && i <= tower.layers) return i;
    throw new FormatError('config', `${c.where}: ${key}: got ${n}, a hidden state of a tower of ${tower.layers} layers is expected`);
  });
}

/** How a checkpoint wants pictures: one square tile. */
export function tileSettings({ config, vision }: Checkpoint, options: ModelOptions): ImageSettings {
  const mode = options.imageMode ?? (config.string('image_aspect_ratio', 'square') === 'pad' ? 'pad' : 'square');
  return preprocessing(vision!.preprocessor.values, mode, vision!.preprocessor.where);
}

/** Every picture is one tile. */
export function singleTile(tower: Tower, settings: ImageSettings): ImageEncoder {
  return {
    prepare: tower.prepare,
    async encode(programs, image, encode) {
      const grid = { width: tower.side, height: tower.side };
      let kept: Uint8Array | undefined;
      const [features] = await tower.run(programs, [await pixelsOf(image, settings, programs.engine)], {
        ...encode,
        visit(program, pixels) {
          encode?.visit?.(program, pixels);
          if (!tower.kept || !encode?.explain) return;
          kept = new Uint8Array(grid.width * grid.height);
          for (const patch of tower.kept(programs.engine, program)) kept[patch] = 1;
        },
      });
      encode?.explain?.({ name: 'picture', window: shownWindow(image, settings), grid, ...(kept && { kept }) });
      return { features: features!, rows: features!.length / tower.hidden };
    },
  };
}
