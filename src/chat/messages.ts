// Messages in, prompt segments out: what both kinds of chat format share.

import { InputError } from '../errors.ts';
import type { TextSegment } from '../tokenizer/tokenizer.ts';

/** Part of a message: text, or an image (whose data the chat format does not look at). */
export type ContentPart = { readonly type: 'text'; readonly text: string } | { readonly type: 'image' | 'image_url' };

/** One turn. Images stand in `content` where they are shown. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly ContentPart[];
}

/** The place of an image in a prompt. Images are numbered by their order. */
export interface ImageSegment {
  readonly image: true;
}

/** Part of a rendered prompt. Text from templates is special (its control tokens count), text from messages is not. */
export type PromptSegment = TextSegment | ImageSegment;

/** Options of {@link ChatFormat.render}. */
export interface RenderOptions {
  /** End with the opening of an assistant turn. Default true. */
  readonly addGenerationPrompt?: boolean;
}

/** How a model wants a conversation written. */
export interface ChatFormat {
  render(messages: readonly ChatMessage[], options?: RenderOptions): readonly PromptSegment[];
  /** Texts that end an answer besides the vocabulary's end tokens. */
  readonly stop: readonly string[];
}

export const IMAGE: ImageSegment = { image: true };
export const isImage = (segment: PromptSegment): segment is ImageSegment => 'image' in segment;

/** A rendered prompt as one string, images as `<image>`: for people to read, and for comparison with the reference. */
export function promptText(segments: readonly PromptSegment[]): string {
  return segments.map((segment) => (isImage(segment) ? '<image>' : segment.text)).join('');
}

/** Joins neighbours of equal trust and drops empty texts. */
export function joinSegments(segments: readonly PromptSegment[]): PromptSegment[] {
  const out: PromptSegment[] = [];
  for (const segment of segments) {
    const last = out.at(-1);
    if (isImage(segment)) out.push(segment);
    else if (segment.text === '') continue;
    else if (last !== undefined && !isImage(last) && last.special === segment.special) {
      out[out.length - 1] = { text: last.text + segment.text, special: segment.special };
    } else out.push(segment);
  }
  return out;
}

/**
 * A message's parts in their order. LLaVA was trained with images on lines of their own: a newline follows each image that stands before all text,
 * and precedes an image that follows all text.
 */
export function contentSegments(content: ChatMessage['content']): PromptSegment[] {
  if (typeof content === 'string') return [{ text: content, special: false }];
  const texts = content.map((part) => (part.type === 'text' ? part.text : null));
  const isText = (text: string | null): text is string => text !== null && text !== '';
  const first = texts.findIndex(isText);
  const last = texts.findLastIndex(isText);
  return texts.flatMap((text, i): PromptSegment[] => {
    if (text !== null) return [{ text, special: false }];
    if (first < 0) return i + 1 < texts.length ? [IMAGE, newline] : [IMAGE];
    if (i < first) return i + 1 === first && texts[first]!.startsWith('\n') ? [IMAGE] : [IMAGE, newline];
    if (i > last) return texts[i - 1]?.endsWith('\n') ? [IMAGE] : [newline, IMAGE];
    return [IMAGE];
  });
}

const newline: TextSegment = { text: '\n', special: false };

/** Refuses messages that no format can write. */
export function checkMessages(messages: readonly ChatMessage[]): void {
  if (messages.length === 0) throw new InputError('chat: no messages: got an empty list, at least one message is needed');
  for (const [i, { role, content }] of messages.entries()) {
    if (role !== 'system' && role !== 'user' && role !== 'assistant') {
      throw new InputError(`chat: role of message ${i}: got ${JSON.stringify(role)}, "system", "user" or "assistant" is expected`);
    }
    if (typeof content === 'string') continue;
    if (!Array.isArray(content))
      throw new InputError(`chat: content of message ${i}: got ${typeof content}, a string or a list of parts is expected`);
    for (const part of content as readonly ContentPart[]) {
      const known = part.type === 'image' || part.type === 'image_url' || (part.type === 'text' && typeof part.text === 'string');
      if (!known)
        throw new InputError(
          `chat: part of message ${i}: got ${JSON.stringify(part).slice(0, 60)}, {type: "text", text} or {type: "image"} is expected`,
        );
    }
  }
}
