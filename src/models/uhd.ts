// LLaVA-UHD (Xu et al. 2024): pictures of any proportions in slices, each through CLIP at its own size and a resampler, laid out for the
// language model with "," after each slice, "\n" at the end of each row, and the overview last.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';
import { dequantize } from '../formats/dequantize.ts';
import { BLOCKS, type TensorFiles } from '../formats/tensors.ts';
import { Weights } from '../graph/weights.ts';
import type { RgbImage } from '../image/image.ts';
import { type ImageSettings, normalize, preprocessing, type Size } from '../image/preprocess.ts';
import { bicubicSamples } from '../image/sampling.ts';
import { cutPaperSlices, cutSlices, type Piece, planPaperSlices, planSlices, preResize, type SliceSettings } from '../image/slices.ts';
import type { Engine } from '../runtime/engine.ts';
import type { Programs } from '../runtime/programs.ts';
import { type ClipConfig, type ClipView, clipConfig } from './clip.ts';
import { concat } from './concat.ts';
import type { Config } from './config.ts';
import { openDecoder, openTower, type TowerVariant } from './llava15.ts';
import type { Checkpoint, EncodeOptions, ImageEncoder, ModelDefinition } from './model.ts';
import { resamplerLayers, sampled, sampleInputs } from './resampler.ts';
import { type UhdForm, type UhdProjection, type UhdResampler, uhdResampler } from './uhdResampler.ts';

export const PREFIX = 'model.mm_projector';

/** Projector types and the form of their resampler. `resampler`: of the paper; no weights of it are public. */
const FORMS: ReadonlyMap<string, UhdForm> = new Map([
  ['adapt_spatial_resampler', 'windows'],
  ['adapt_spatial_resampler_v1', 'windows'],
  ['uhd_v1_query64', 'windows'],
  ['resampler', 'global'],
]);

/** LLaMA's tokens between slices. */
const COMMA = 29892;
const NEWLINE = 13;

/** Longer side before slicing, as in the published evaluations. */
const PRE_RESIZE = 1024;

/** Patches of a slice at most: beyond it a picture is so narrow that its sides can no longer be balanced. */
const MAX_PATCHES = 4096;

export const uhd: ModelDefinition = {
  name: 'llava-uhd',
  open(checkpoint, options) {
    const { config, vision } = checkpoint;
    const type = config.string('mm_projector_type', '');
    const form = FORMS.get(type);
    if (!form)
      throw new UnsupportedError(`${config.where}: mm_projector_type: got ${type}, expected one of ${[...FORMS.keys()].join(', ')}`);
    const weights = Weights.over(resamplerLayers(checkpoint.files, PREFIX), options);
    const decoder = openDecoder(weights, config, options);
    return {
      name: 'llava-uhd',
      weights: [weights],
      needsAllRows: 'its resampler looks at places of the whole grid',
      decoder,
      ...(vision && { encoder: new UhdEncoder(weights, checkpoint, form) }),
    };
  },
};

/** Slice settings of a checkpoint; those that it has no keys for are the system's constants. */
const sliceSettings = (c: Config, clip: ClipConfig, form: UhdForm): SliceSettings => ({
  resolution: c.size('scale_resolution', clip.imageSize),
  patch: clip.patch,
  maxSlices: c.size('max_slice_nums', form === 'windows' ? 7 : 6),
});

class UhdEncoder implements ImageEncoder {
  readonly choices = ['slices', 'preResize'] as const;
  readonly #weights: Weights;
  readonly #checkpoint: Checkpoint;
  readonly #form: UhdForm;
  readonly #clip: ClipConfig;
  readonly #resampler: UhdResampler;
  readonly #slices: SliceSettings;
  readonly #settings: ImageSettings;
  readonly #hidden: number;
  #separators: readonly [comma: Float32Array, newline: Float32Array] | undefined;

  constructor(weights: Weights, checkpoint: Checkpoint, form: UhdForm) {
    const { config, vision } = checkpoint;
    this.#weights = weights;
    this.#checkpoint = checkpoint;
    this.#form = form;
    this.#clip = clipConfig(vision!.config);
    this.#resampler = uhdResampler(weights.at(PREFIX), form, this.#clip.hidden);
    this.#slices = sliceSettings(config, this.#clip, form);
    this.#settings = preprocessing(vision!.preprocessor.values, 'square', vision!.preprocessor.where);
    this.#hidden = config.size('hidden_size', 4096);
  }

  async prepare(programs: Programs, load = {}): Promise<void> {
    const side = Math.floor(this.#clip.imageSize / this.#clip.patch);
    const { variant } = this.#variant({ width: side, height: side });
    await openTower(this.#weights, this.#checkpoint, variant).prepare(programs, load);
    await this.#resampler.query.fill(programs, load);
  }

  async encode(programs: Programs, image: RgbImage, options: EncodeOptions = {}) {
    await this.#resampler.query.fill(programs);
    const { columns, overview, slices } = await this.#cut(image, options, programs.engine);
    if (slices.length) this.#separators ??= await this.#readSeparators();
    const parts: Float32Array[] = [];
    // One slice at a time over one arena: a picture takes no more memory than its largest slice.
    for (const [i, slice] of slices.entries()) {
      const column = i % columns;
      parts.push(await this.#run(programs, slice, `slice ${column + 1},${Math.floor(i / columns) + 1}`, options));
      parts.push(this.#separators![column + 1 < columns ? 0 : 1]);
    }
    parts.push(await this.#run(programs, overview, 'overview', options));
    const features = concat(parts);
    return { features, rows: features.length / this.#hidden };
  }

  /** Pieces of the picture; their windows are in its own pixels. */
  async #cut(image: RgbImage, options: EncodeOptions, engine: Engine): Promise<{ columns: number; overview: Piece; slices: Piece[] }> {
    // The paper cuts the picture as it is.
    const { slices = this.#slices.maxSlices, preResize: side = this.#form === 'windows' ? PRE_RESIZE : null } = options;
    if (!Number.isInteger(slices) || slices < 1 || slices > 64)
      throw new InputError(`slices: got ${slices}, expected an integer of 1 to 64`);
    if (side !== null && (!Number.isInteger(side) || side < 1 || side > 8192))
      throw new InputError(`preResize: got ${side}, expected null or an integer of 1 to 8192`);
    const sized = side === null ? image : await preResize(image, side, engine);
    const settings = { ...this.#slices, maxSlices: slices };
    const x = image.width / sized.width;
    const y = image.height / sized.height;
    const original = ({ image, window: w }: Piece): Piece => ({
      image,
      window: { left: w.left * x, top: w.top * y, width: w.width * x, height: w.height * y },
    });
    if (this.#form === 'global') {
      const plan = planPaperSlices(sized, settings);
      const cut = await cutPaperSlices(sized, slices === 1 ? { ...plan, boxes: [] } : plan, settings.patch, engine);
      return { columns: plan.grid.width, overview: original(cut.overview), slices: cut.slices.map(original) };
    }
    const plan = planSlices(sized, settings);
    for (const { width, height } of [plan.overview, ...(plan.cut ? [plan.cut.slice] : [])]) {
      const patches = (width / settings.patch) * (height / settings.patch);
      if (patches > MAX_PATCHES)
        throw new InputError(
          `picture: is too narrow: got ${image.width} x ${image.height}, which makes ${patches} patches of ${MAX_PATCHES}`,
        );
    }
    const cut = await cutSlices(sized, plan, engine);
    return { columns: plan.cut?.grid.width ?? 1, overview: original(cut.overview), slices: cut.slices.map(original) };
  }

  async #run(programs: Programs, { image, window }: Piece, name: string, options: EncodeOptions): Promise<Float32Array> {
    const { patch } = this.#clip;
    const grid = { width: image.width / patch, height: image.height / patch };
    const { variant, projection } = this.#variant(grid);
    const pixels = (await normalize([image], this.#settings, programs.engine)).data;
    const { explain } = options;
    const [tokens] = await openTower(this.#weights, this.#checkpoint, variant).run(
      programs,
      [pixels],
      explain
        ? {
            ...options,
            keep: [...(options.keep ?? []), 'attn'],
            visit: (program, seen) => {
              options.visit?.(program, seen);
              explain({ name, window, grid, attention: projection.looks(programs.engine.read(program, 'attn')) });
            },
          }
        : options,
    );
    return tokens!;
  }

  /** The tower for slices of a grid of patches. */
  #variant(grid: Size): { variant: TowerVariant; projection: UhdProjection } {
    const projection = this.#resampler.over(grid);
    const { view, inputs } = towerView(this.#clip, grid);
    const variant: TowerVariant = {
      name: `uhd ${grid.width}x${grid.height}`,
      project: (g, features) => projection.tokens(g, features),
      inputs: { ...inputs, ...projection.inputs },
      ...(view && { view }),
    };
    return { variant, projection };
  }

  async #readSeparators(): Promise<readonly [Float32Array, Float32Array]> {
    const { config, files } = this.#checkpoint;
    const ids = config.object('separator_ids');
    const row = (name: string, id: number) => readEmbedding(files, ids?.number(name, id) ?? id, this.#hidden);
    return [await row('comma', COMMA), await row('newline', NEWLINE)];
  }
}

/** CLIP at another grid than its own: its table of positions is resized in the graph, the class row as it is. */
export function towerView(clip: ClipConfig, grid: Size): { view?: ClipView; inputs: Record<string, Float32Array | Int32Array> } {
  const side = Math.floor(clip.imageSize / clip.patch);
  if (grid.width === side && grid.height === side) return { inputs: {} };
  const samples = bicubicSamples({ width: side, height: side }, grid, 1);
  const name = 'tower position';
  return {
    view: {
      width: grid.width * clip.patch,
      height: grid.height * clip.patch,
      positions: (g, table) => sampled(g, name, table, samples),
    },
    inputs: sampleInputs(name, samples),
  };
}

/** One row of the table of token embeddings. */
async function readEmbedding(files: TensorFiles, id: number, hidden: number): Promise<Float32Array> {
  const info = files.tensors.get('model.embed_tokens.weight');
  if (!info || info.shape[1] !== hidden || id >= info.shape[0]!)
    throw new FormatError('structure', `${files.name}: needs row ${id} of token embeddings ${hidden} wide: got [${info?.shape}]`);
  const block = BLOCKS[info.type];
  const bytes = new Uint8Array((hidden / block.values) * block.bytes);
  await files.readInto(info, bytes, id * bytes.length);
  return dequantize(info.type, bytes);
}
