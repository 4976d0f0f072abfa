// What a checkpoint must bring, and what a model file must give.

import type { TensorFiles } from '../formats/tensors.ts';
import type { ImageRows } from '../generate/session.ts';
import type { KvType } from '../graph/kv.ts';
import type { Weights } from '../graph/weights.ts';
import type { RgbImage } from '../image/image.ts';
import type { LoadOptions } from '../runtime/load.ts';
import type { Programs, Spent } from '../runtime/programs.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Config } from './config.ts';
import type { Decoder } from './decoder.ts';

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
}

export interface ModelOptions {
  /** `stored`: quantized weights stay quantized (default). `float`: matrices become f32 at load: exact, large and slow, for comparing with references. */
  readonly precision?: 'stored' | 'float';
  /** Rows that the KV cache holds; default: the model's own context, at most 4096. */
  readonly context?: number;
  /** Rows of a prefill chunk at most; default 512. */
  readonly chunk?: number;
  /** Element type of the KV cache; default f16. */
  readonly cacheType?: KvType;
  /** `pad`: letterbox to a square; `square`: shorter edge and centre crop; default: what the checkpoint says. */
  readonly imageMode?: 'pad' | 'square';
}

export interface EncodeOptions {
  readonly spent?: Spent;
  readonly signal?: AbortSignal;
  /** Intermediates to keep, for `visit`. */
  readonly keep?: readonly string[];
  /** Sees the program after each run: goldens and explanations. */
  readonly visit?: (program: import('../runtime/engine.ts').Program, pixels: Float32Array) => void;
}

/** The picture half of a model. */
export interface ImageEncoder {
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
}

/** One model family: a file in src/models and a line in the registry. */
export interface ModelDefinition {
  readonly name: string;
  /** Does this checkpoint belong to the family? Asked in the order of the registry. */
  matches(checkpoint: Checkpoint): boolean;
  open(checkpoint: Checkpoint, options: ModelOptions): Model;
}
