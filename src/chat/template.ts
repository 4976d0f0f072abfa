// Chat templates in Jinja, as repositories and GGUF files carry them.
//
// A template sees message texts between private-use characters, so that the result can be split into the template's own text (whose control tokens
// count) and text from messages (whose do not). Whitespace at the ends of a text stays outside, where `trim` finds it.

import { Template } from '@huggingface/jinja';
import { FormatError, InputError } from '../errors.ts';
import {
  type ChatFormat,
  type ChatMessage,
  checkMessages,
  contentSegments,
  IMAGE,
  isImage,
  joinSegments,
  type PromptSegment,
} from './messages.ts';

/** Options of {@link templateFormat}. */
export interface TemplateOptions {
  /** Texts of BOS and EOS, which templates write themselves. */
  readonly bosToken?: string;
  readonly eosToken?: string;
  /** What the template writes for an image. Default `<image>`. */
  readonly imageToken?: string;
  readonly stop?: readonly string[];
}

interface Marks {
  readonly start: string;
  readonly end: string;
  readonly image: string;
}

/** How a template takes `content`: a list of parts, or a string; `mixed`: a list only where there are images. */
type Shape = 'parts' | 'string' | 'mixed';

/** A Jinja chat template as a chat format. */
export function templateFormat(source: string, options: TemplateOptions = {}): ChatFormat {
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    throw new FormatError('structure', `chat template: cannot be read: ${message(error)}`, { cause: error });
  }
  const imageToken = options.imageToken ?? '<image>';
  return {
    stop: options.stop ?? [],
    render(messages, { addGenerationPrompt = true } = {}) {
      checkMessages(messages);
      const texts = messages.flatMap(({ content }) =>
        typeof content === 'string' ? [content] : content.map((part) => (part.type === 'text' ? part.text : '')),
      );
      const marks = freeMarks(source + texts.join(''));
      const images = messages.reduce(
        (n, { content }) => n + (typeof content === 'string' ? 0 : content.filter((part) => part.type !== 'text').length),
        0,
      );
      let problem = '';
      for (const shape of images > 0 ? (['parts', 'string', 'mixed'] as const) : (['string', 'parts', 'mixed'] as const)) {
        let text: string;
        try {
          text = template.render({
            messages: messages.map((item) => ({ role: item.role, content: shaped(item.content, shape, marks) })),
            add_generation_prompt: addGenerationPrompt,
            bos_token: options.bosToken ?? '',
            eos_token: options.eosToken ?? '',
          });
        } catch (error) {
          problem ||= message(error);
          continue;
        }
        const segments = split(text, marks, imageToken);
        if (segments !== null && segments.filter(isImage).length === images && lastShown(messages, text)) return joinSegments(segments);
      }
      throw new InputError(
        `chat template: ${problem || 'it does not show the last message or not all images'}: got ${messages.length} messages with ${images} images, use another template or a built-in conversation`,
      );
    },
  };
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Three private-use characters that occur nowhere in a text. */
function freeMarks(text: string): Marks {
  const free: string[] = [];
  for (let code = 0xe000; free.length < 3; code = code === 0xf8ff ? 0xf0000 : code + 1) {
    const mark = String.fromCodePoint(code);
    if (!text.includes(mark)) free.push(mark);
  }
  return { start: free[0]!, end: free[1]!, image: free[2]! };
}

function marked(text: string, { start, end }: Marks): string {
  const core = text.trim();
  if (core === '') return text;
  const from = text.indexOf(core);
  return text.slice(0, from) + start + core + end + text.slice(from + core.length);
}

function shaped(content: ChatMessage['content'], shape: Shape, marks: Marks): unknown {
  if (shape === 'string' || (shape === 'mixed' && (typeof content === 'string' || content.every((part) => part.type === 'text')))) {
    // One pair of marks for each run of text: a template that trims sees the whole message's ends.
    return joinSegments(contentSegments(content))
      .map((part) => (isImage(part) ? marks.image : marked(part.text, marks)))
      .join('');
  }
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  return parts.map((part) => (part.type === 'text' ? { type: 'text', text: marked(part.text, marks) } : { type: 'image' }));
}

/** Splits rendered text at the marks; null when the template took a text apart or printed a list as data. */
function split(text: string, marks: Marks, imageToken: string): PromptSegment[] | null {
  const out: PromptSegment[] = [];
  const own = (part: string): void => {
    for (const [i, chunk] of part.split(imageToken).entries()) {
      if (i > 0) out.push(IMAGE);
      for (const [k, piece] of chunk.split(marks.image).entries()) {
        if (k > 0) out.push(IMAGE);
        out.push({ text: piece, special: true });
      }
    }
  };
  let at = 0;
  for (;;) {
    const start = text.indexOf(marks.start, at);
    const end = text.indexOf(marks.end, at);
    if (start < 0 && end < 0) break;
    if (start < 0 || end < start) return null;
    const before = text.slice(at, start);
    const inner = text.slice(start + marks.start.length, end);
    if (inner.includes(marks.start) || /["']text["']\s*:\s*["']$/.test(before)) return null;
    own(before);
    out.push({ text: inner, special: false });
    at = end + marks.end.length;
  }
  own(text.slice(at));
  return out;
}

/** A template may leave a system text out; the last message must be there. */
function lastShown(messages: readonly ChatMessage[], text: string): boolean {
  const { content } = messages.at(-1)!;
  const parts = typeof content === 'string' ? [content] : content.map((part) => (part.type === 'text' ? part.text : ''));
  return parts.every((part) => text.includes(part.trim()));
}
