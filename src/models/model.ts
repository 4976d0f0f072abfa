// What a checkpoint must bring, and what a model file must give.

import type { TensorFiles } from '../formats/tensors.ts';
import type { ImageRows } from '../generate/session.ts';
import type { KvType } from '../graph/kv.ts';
import type { Weights } from '../graph/weights.ts';
import type { RgbImage, Window } from '../image/image.ts';
import type { Size } from '../image/preprocess.ts';
import type { Program } from '../runtime/engine.ts';
import type { LoadOptions } from '../runtime/load.ts';
import type { Programs, Spent } from '../runtime/programs.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Config } from './config.ts';
import type { Decoder } from './decoder.ts';
import type { Pruning } from './pruning.ts';
import type { RouterNoise } from './routerNoise.ts';

/** Where a checkpoint's tower is, in canonical form. */
export const TOWER = 'model.vision_tower.vision_tower.vision_model';

/** A checkpoint in canonical form: keys of the original LLaVA config.json, tensor names of the original LLaVA layout, whatever the container. */
export interface Checkpoint {
  /** Repository or file name. */
  readonly name: string;
  readonly config: Config;
  /** The tower's config and preprocessor settings; absent: a text model. */
  readonly vision?: { readonly config: Config; readonly preprocessor: Config };
  readonly files: TensorFiles;
  /** Absent where the checkpoint has none: then only token ids can be given. */
  tokenizer(): Promise<Tokenizer | undefined>;
  /** Jinja source of the chat template, where the checkpoint has one. */
  readonly chatTemplate?: string;
  /** Texts that end an answer written with that template, where a token does not. */
  readonly stop?: readonly string[];
}

/** Dynamic-LLaVA; defaults: what the checkpoint was trained for. */
export interface SparseOptions {
  /** Share of a picture's rows that go on, 0 to 1; 1: all, and nothing is asked. */
  readonly keepRate?: number;
  /** false: text is never dropped, asked or answered. */
  readonly text?: boolean;
  /** false: every token runs the whole sequence again. Default true. */
  readonly cache?: boolean;
  /** Without a cache the first step sees the last row twice, as upstream's does. Default false. */
  readonly compat?: boolean;
}

export interface ModelOptions {
  /** `stored`: quantized weights stay quantized (default). `float`: matrices become f32 at load: exact, large and slow, for comparing with references. */
  readonly precision?: 'stored' | 'float';
  /** Rows that the KV cache holds at most; default: the model's own context, at most 4096. It takes memory as rows come, 64 at a time. */
  readonly context?: number;
  /** Rows of a prefill chunk at most; default 512. */
  readonly chunk?: number;
  /** Element type of the KV cache; default f16. */
  readonly cacheType?: KvType;
  /** `pad`: letterbox to a square; `square`: shorter edge and centre crop; default: what the checkpoint says. */
  readonly imageMode?: 'pad' | 'square';
  /** Drops or merges picture rows; default: none. */
  readonly prune?: Pruning;
  /** What Dynamic-LLaVA drops, and when. */
  readonly sparse?: SparseOptions;
  /** Experts of each row of a mixture in place of the checkpoint's number, 1 to all: fewer are faster, all show what a mixture saves. */
  readonly activeExperts?: number;
  /** Noise of a mixture's gate: a seed, or the numbers themselves; default: none, which makes routing deterministic. */
  readonly routerNoise?: number | RouterNoise;
}

/** What the caller may choose for each picture, where the model has the choice. */
export interface PictureOptions {
  /** MQT: tokens that stand for the picture, 1 to the checkpoint's number of queries (256), which is the default. */
  readonly visualTokens?: number;
  /** UHD: slices of the picture at most, besides the overview; 1: only the overview. Default: the checkpoint's number (7). */
  readonly slices?: number;
  /** UHD: resize the longer side to so many pixels before slicing; null: slice the picture as it is. Default 1024, as in evaluations. */
  readonly preResize?: number | null;
}

/** One run of the tower over a part of a picture: for showing how it was cut and what was looked at. */
export interface PictureView {
  /** `picture`, `overview`, `slice 2,1` (column, row). */
  readonly name: string;
  /** What the tower saw, in pixels of the picture; with padding it reaches beyond. */
  readonly window: Window;
  /** The tower's patches. */
  readonly grid: Size;
  /** Where each visual token looks: f32 [tokens, patches], row-major over the grid, each row a distribution. */
  readonly attention?: Float32Array;
  /** 1 where a patch is kept, 0 where it was dropped. */
  readonly kept?: Uint8Array;
}

export interface EncodeOptions extends PictureOptions {
  readonly spent?: Spent;
  readonly signal?: AbortSignal;
  /** Intermediates to keep, for `visit`. */
  readonly keep?: readonly string[];
  /** Sees the program after each run: goldens and explanations. */
  readonly visit?: (program: Program, pixels: Float32Array) => void;
  /** Sees what each run of the tower looked at. */
  readonly explain?: (view: PictureView) => void;
}

/** The picture half of a model. */
export interface ImageEncoder {
  /** Choices that the model has; others are refused. */
  readonly choices?: readonly (keyof PictureOptions)[];
  /** The largest `visualTokens`, where that is a choice. */
  readonly mostTokens?: number;
  /** Loads what encoding needs before the first picture comes. */
  prepare(programs: Programs, load?: LoadOptions): Promise<void>;
  /** Rows that stand for the picture in the language model's sequence. */
  encode(programs: Programs, image: RgbImage, options?: EncodeOptions): Promise<Omit<ImageRows, 'key'>>;
}

export interface Model {
  readonly name: string;
  readonly weights: readonly Weights[];
  readonly decoder: Decoder;
  readonly encoder?: ImageEncoder;
  /** Why methods that drop rows in the tower do not fit; absent: they do. */
  readonly needsAllRows?: string;
}

/** One model family: a file in src/models and a line in the registry. */
export interface ModelDefinition {
  readonly name: string;
  open(checkpoint: Checkpoint, options: ModelOptions): Model | Promise<Model>;
}
