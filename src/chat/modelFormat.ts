// The chat format of a model: what the caller names, the checkpoint's own template, or a built-in conversation by the model's name.

import type { Checkpoint } from '../models/model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { conversationFormat } from './conversation.ts';
import { conversation, defaultConversation } from './conversations.ts';
import type { ChatFormat } from './messages.ts';
import { templateFormat } from './template.ts';

/** What a caller may say about it. */
export interface FormatOptions {
  /** Name of a built-in conversation (`vicuna_v1`, `llava_llama_2`, ...); default: the checkpoint's own template, else by its name. */
  readonly conversation?: string;
  /** Jinja source of a chat template, instead of the checkpoint's. */
  readonly chatTemplate?: string;
}

export function chatFormat(checkpoint: Checkpoint, tokenizer: Tokenizer | undefined, options: FormatOptions): ChatFormat {
  if (options.conversation !== undefined) return conversationFormat(conversation(options.conversation), startEnd(checkpoint));
  const source = options.chatTemplate ?? checkpoint.chatTemplate;
  if (source !== undefined)
    return templateFormat(source, {
      ...tokenText('bosToken', tokenizer?.bosId),
      ...tokenText('eosToken', tokenizer?.eosId),
      ...(checkpoint.stop && { stop: checkpoint.stop }),
    });
  const name = defaultConversation(checkpoint.name);
  // Files are renamed at will, and hardly anybody has a LLaVA of the first version: published evaluations of 1.5 use vicuna_v1.
  return conversationFormat(conversation(name === 'llava_v0' ? 'vicuna_v1' : name), startEnd(checkpoint));

  function tokenText<K extends string>(key: K, id: number | null | undefined): { [P in K]?: string } {
    return (id === null || id === undefined ? {} : { [key]: tokenizer!.decode([id], { special: true }) }) as { [P in K]?: string };
  }
}

const startEnd = ({ config }: Checkpoint) => ({ imageStartEnd: config.bool('mm_use_im_start_end', false) });
