// The public surface that all entries share.

import type { LoadOptions, Llava as Model } from './llava.ts';
import type { ModelSource } from './models/open.ts';
import type { Platform } from './runtime/platform.ts';

export type { AnswerScore } from './answerScore.ts';
export * from './errors.ts';
export type { FinishReason, Usage } from './generate/account.ts';
export type { Chunk, GenerateOptions } from './generate/generate.ts';
export type { Routing } from './generate/routing.ts';
export type { Distance } from './generate/score.ts';
export type { ImageRows } from './generate/session.ts';
export type { RgbImage } from './image/image.ts';
export type { ImageInput } from './image/load.ts';
export type { ChatOptions, LoadOptions, ScoreOptions } from './llava.ts';
export type { Message, MessagePart } from './messages.ts';
export type { PictureOptions, PictureView } from './models/model.ts';
export type { ModelSource } from './models/open.ts';
export type { Reply } from './reply.ts';
export type { WasmInput, WasmOption } from './runtime/kernels.ts';

/** A loaded model. */
export type Llava = Model;

/** Loads models. */
export interface LlavaLoader {
  /**
   * Loads a model from a GGUF file (`mmproj` for a llama.cpp pair) or a hub directory.
   * @throws InputError, FormatError, UnsupportedError, MemoryError
   */
  load(model: ModelSource, options?: LoadOptions): Promise<Llava>;
}

/** The loader of an entry: bound to its platform. The platform and everything behind it are imported when a model is loaded. */
export const loader = (platform: () => Promise<Platform>): LlavaLoader => ({
  async load(model, options = {}) {
    const [{ Llava }, here] = await Promise.all([import('./llava.ts'), platform()]);
    return Llava.load(here, model, options);
  },
});
