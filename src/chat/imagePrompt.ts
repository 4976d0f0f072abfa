// Prompts with images -> ids, -200 for each image.

import { InputError } from '../errors.ts';
import type { TextSegment, Tokenizer } from '../tokenizer/tokenizer.ts';
import { IMAGE, isImage, type PromptSegment } from './messages.ts';

/** Stands for an image among ids; it must never reach the embedding table. */
export const IMAGE_TOKEN_INDEX = -200;

const PLACEHOLDER = '<image>';

/** Options of {@link tokenizeWithImages}. */
export interface ImagePromptOptions {
  /** Put BOS in front where the vocabulary asks for it and the prompt does not bring it. Default true. */
  readonly bos?: boolean;
  /**
   * The vocabulary's own image token, e.g. `<image>`: the prompt is encoded as one text around it, as the hub's processors do.
   * Default: LLaVA's rule, where the text after an image is encoded like the start of a text.
   */
  readonly imageToken?: string;
}

/** Encodes a prompt: segments from a chat format, or a trusted string with `<image>` in it (its control tokens count). */
export function tokenizeWithImages(
  tokenizer: Tokenizer,
  prompt: string | readonly PromptSegment[],
  options: ImagePromptOptions = {},
): number[] {
  const segments = typeof prompt === 'string' ? parsePrompt(prompt) : prompt;
  const ids = options.imageToken === undefined ? chunkIds(tokenizer, segments) : inlineIds(tokenizer, segments, options.imageToken);
  const bos = options.bos !== false && tokenizer.addBos ? tokenizer.bosId : null;
  return bos === null || ids[0] === bos ? ids : [bos, ...ids];
}

/** A trusted string as segments: `<image>` is an image. */
export function parsePrompt(prompt: string): PromptSegment[] {
  return prompt.split(PLACEHOLDER).flatMap((text, i) => [...(i > 0 ? [IMAGE] : []), ...(text === '' ? [] : [{ text, special: true }])]);
}

function chunkIds(tokenizer: Tokenizer, segments: readonly PromptSegment[]): number[] {
  const ids: number[] = [];
  let chunk: TextSegment[] = [];
  const close = (): void => {
    for (const id of tokenizer.encodeSegments(chunk)) ids.push(id);
    chunk = [];
  };
  for (const segment of segments) {
    if (isImage(segment)) {
      close();
      ids.push(IMAGE_TOKEN_INDEX);
    } else chunk.push(segment);
  }
  close();
  return ids;
}

function inlineIds(tokenizer: Tokenizer, segments: readonly PromptSegment[], imageToken: string): number[] {
  const imageId = tokenizer.tokenId(imageToken);
  if (imageId === null) throw new InputError(`chat: image token: got ${JSON.stringify(imageToken)}, which is not in the vocabulary`);
  const texts = segments.map((segment): TextSegment => (isImage(segment) ? { text: imageToken, special: true } : segment));
  return tokenizer.encodeSegments(texts).map((id) => (id === imageId ? IMAGE_TOKEN_INDEX : id));
}
