// pumice: LLaVA models on the CPU of any JavaScript runtime.

import { type LoadOptions, Llava as Model } from './llava.ts';
import type { ModelSource } from './models/open.ts';
import { nodePlatform } from './runtime/node.ts';

export * from './errors.ts';
export type { Chunk, FinishReason, GenerateOptions, Usage } from './generate/generate.ts';
export type { ImageRows } from './generate/session.ts';
export type { RgbImage } from './image/image.ts';
export type { ImageInput } from './image/load.ts';
export type { ChatOptions, LoadOptions, Message, MessagePart } from './llava.ts';
export type { PictureOptions, PictureView } from './models/model.ts';
export type { ModelSource } from './models/open.ts';
export type { Reply } from './reply.ts';

/** A loaded model. */
export type Llava = Model;

/** Loads models. */
export const Llava = {
  /**
   * Loads a model from a GGUF file (`mmproj` for a llama.cpp pair) or a hub directory.
   * @throws InputError, FormatError, UnsupportedError, MemoryError
   */
  load: (model: ModelSource, options: LoadOptions = {}): Promise<Model> => Model.load(nodePlatform, model, options),
};
