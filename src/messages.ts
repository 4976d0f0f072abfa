// Messages of a conversation, and what stands for their pictures.

import type { ChatMessage } from './chat/messages.ts';
import type { ImageRows } from './generate/session.ts';
import type { ImageInput } from './image/load.ts';

/** A picture in a message: bytes, a Blob, a URL, a path (where the platform reads files), pixels, or what `embedImage` gave; or OpenAI's image_url. */
export type MessagePart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly image: ImageInput | ImageRows }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly MessagePart[];
}

/** A message whose pictures are something else. */
export type MessageWith<T> = Pick<Message, 'role'> & {
  readonly content: string | readonly ({ readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly image: T })[];
};

/** The message with `replace(picture)` in place of each. */
export function withPictures<T>({ role, content }: MessageWith<unknown> | Message, replace: (image: unknown) => T): MessageWith<T> {
  if (typeof content === 'string') return { role, content };
  return {
    role,
    content: content.map((p) => (p.type === 'text' ? p : { type: 'image', image: replace(p.type === 'image' ? p.image : p.image_url) })),
  };
}

/** Is the picture encoded already? */
export const isEncoded = (input: ImageInput | ImageRows): input is ImageRows => typeof input === 'object' && 'features' in input;

/** Pictures of a message in order. */
export const imagesOf = ({ content }: Message): (ImageInput | ImageRows)[] =>
  typeof content === 'string'
    ? []
    : content.flatMap((p) => (p.type === 'image' ? [p.image] : p.type === 'image_url' ? [p.image_url.url] : []));

/** A message without its pictures, for a template. */
export const textual = ({ role, content }: Message): ChatMessage => ({
  role,
  content: typeof content === 'string' ? content : content.map((p) => (p.type === 'text' ? p : { type: 'image' as const })),
});
