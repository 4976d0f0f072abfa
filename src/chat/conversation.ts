// Built-in conversations: how LLaVA's own code joins system text, roles and separators.
//
//   SINGLE   system sep; then ROLE ": " text sep; open turn: ROLE ":"
//   TWO      the same with sep after users and sep2 after assistants
//   MPT      system sep; then ROLE text sep; open turn: ROLE
//   LLAMA_2  users: sep "[INST] " text " [/INST]", the first with the system text in "<<SYS>>"; assistants: " " text " " sep2; open turn: nothing
//   PLAIN    system; then text and sep or sep2; open turn: nothing

import { InputError } from '../errors.ts';
import { type ChatFormat, checkMessages, contentSegments, IMAGE, isImage, joinSegments, type PromptSegment } from './messages.ts';

export type SeparatorStyle = 'SINGLE' | 'TWO' | 'MPT' | 'LLAMA_2' | 'PLAIN';

/** The fields of one conversation. */
export interface Conversation {
  readonly style: SeparatorStyle;
  readonly system: string;
  /** What stands before the texts of users and of assistants. */
  readonly roles: readonly [user: string, assistant: string];
  readonly sep: string;
  readonly sep2: string | null;
  /** A dialogue that stands before every conversation: question, answer. */
  readonly example?: readonly [string, string];
  /** Images become an exchange of their own before the question. */
  readonly imageExchange?: boolean;
}

/** One turn; `null` is the open turn that the model completes. */
export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: readonly PromptSegment[] | null;
}

const fixed = (text: string): PromptSegment => ({ text, special: true });

/** Writes turns as a prompt. `system` replaces the conversation's own system text. */
export function renderConversation(conversation: Conversation, turns: readonly Turn[], system?: string): PromptSegment[] {
  const example = (conversation.example ?? []).map((text, i): Turn => ({ role: i === 0 ? 'user' : 'assistant', content: [fixed(text)] }));
  const all = [...example, ...turns];
  const intro = systemText(conversation, system);
  return joinSegments(conversation.style === 'LLAMA_2' ? llama2(conversation, all, intro) : separated(conversation, all, intro));
}

/** Text from the caller is not special; what surrounds it in MPT's system turn is. */
function systemText({ style, system }: Conversation, replaced: string | undefined): PromptSegment[] {
  if (replaced === undefined) return [fixed(system)];
  const head = style === 'MPT' ? system.slice(0, system.indexOf('\n') + 1) : '';
  return [fixed(head), { text: replaced, special: false }];
}

function separated({ style, roles, sep, sep2 }: Conversation, turns: readonly Turn[], intro: readonly PromptSegment[]): PromptSegment[] {
  const out = style === 'PLAIN' ? [...intro] : [...intro, fixed(sep)];
  for (const { role, content } of turns) {
    const user = role === 'user';
    const name = roles[user ? 0 : 1];
    const colon = style === 'SINGLE' || style === 'TWO';
    if (content === null) {
      if (style !== 'PLAIN') out.push(fixed(colon ? `${name}:` : name));
      continue;
    }
    const end = user || style === 'SINGLE' || style === 'MPT' ? sep : sep2;
    if (end === null) throw new InputError('chat: the plain conversation has no second turn: got an answer, only one question is possible');
    out.push(fixed(colon ? `${name}: ` : name), ...content, fixed(end));
  }
  return out;
}

function llama2({ sep, sep2 }: Conversation, turns: readonly Turn[], intro: readonly PromptSegment[]): PromptSegment[] {
  const wrapped = intro.some((segment) => !isImage(segment) && segment.text !== '')
    ? [fixed('<<SYS>>\n'), ...intro, fixed('\n<</SYS>>\n\n')]
    : [];
  if (turns[0]?.role === 'assistant')
    throw new InputError('chat: the first message: got one of the assistant, this format begins with the user');
  const out: PromptSegment[] = [];
  for (const [i, { role, content }] of turns.entries()) {
    if (content === null) continue;
    if (role === 'assistant') out.push(fixed(' '), ...content, fixed(` ${sep2}`));
    // The first separator goes: upstream strips its characters from the left of the prompt.
    else out.push(fixed(`${i === 0 ? '' : sep}[INST] `), ...(i === 0 ? wrapped : []), ...content, fixed(' [/INST]'));
  }
  return out;
}

/** Stop strings as upstream's programs have them: command line and evaluation, and server. `null` and empty ones must not be used. */
export function stopStrings({ style, sep, sep2 }: Conversation): { readonly cli: string | null; readonly server: string | null } {
  return { cli: style === 'TWO' ? sep2 : sep, server: style === 'SINGLE' || style === 'MPT' ? sep : sep2 };
}

/** Options of {@link conversationFormat}. */
export interface ConversationOptions {
  /** `mm_use_im_start_end`: images stand between `<im_start>` and `<im_end>`. Default false. */
  readonly imageStartEnd?: boolean;
}

/** A conversation as a chat format. A system message replaces the built-in system text. */
export function conversationFormat(conversation: Conversation, options: ConversationOptions = {}): ChatFormat {
  const { server } = stopStrings(conversation);
  return {
    stop: server ? [server] : [],
    render(messages, { addGenerationPrompt = true } = {}) {
      checkMessages(messages);
      let system: string | undefined;
      const turns: Turn[] = [];
      for (const [i, { role, content }] of messages.entries()) {
        if (role === 'system') {
          const parts = contentSegments(content);
          if (i > 0 || parts.some(isImage))
            throw new InputError(`chat: message ${i}: got a system message, only the first message can be one, and of text`);
          system = parts.map((part) => (isImage(part) ? '' : part.text)).join('');
        } else if (conversation.imageExchange && typeof content !== 'string' && content.some((part) => part.type !== 'text')) {
          const images = content.filter((part) => part.type !== 'text');
          turns.push({ role: 'user', content: [fixed('<Image>'), ...images.map(() => IMAGE), fixed('</Image>')] });
          turns.push({ role: 'assistant', content: [fixed('Received.')] });
          turns.push({ role, content: contentSegments(content.filter((part) => part.type === 'text')) });
        } else {
          turns.push({ role, content: contentSegments(content) });
        }
      }
      if (addGenerationPrompt) turns.push({ role: 'assistant', content: null });
      const segments = renderConversation(conversation, turns, system);
      return options.imageStartEnd
        ? joinSegments(segments.flatMap((s) => (isImage(s) ? [fixed('<im_start>'), s, fixed('<im_end>')] : [s])))
        : segments;
    },
  };
}
