// The chat format of a model: what the caller names, the checkpoint's own template, or a built-in conversation by the model's name.

import type { Checkpoint } from '../models/model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatFormat } from './messages.ts';

/** What a caller may say about it. */
export interface FormatOptions {
  /** Name of a built-in conversation (`vicuna_v1`, `llava_llama_2`, ...); default: the checkpoint's own template, else by its name. */
  readonly conversation?: string;
  /** Jinja source of a chat template, instead of the checkpoint's. */
  readonly chatTemplate?: string;
}

/** The format; templates and conversations are imported only where they are used. */
export async function chatFormat(checkpoint: Checkpoint, tokenizer: Tokenizer | undefined, options: FormatOptions): Promise<ChatFormat> {
  const source = options.conversation === undefined ? (options.chatTemplate ?? checkpoint.chatTemplate) : undefined;
  if (source !== undefined) {
    const { templateFormat } = await import('./template.ts');
    return templateFormat(source, {
      ...tokenText('bosToken', tokenizer?.bosId),
      ...tokenText('eosToken', tokenizer?.eosId),
      ...(checkpoint.stop && { stop: checkpoint.stop }),
    });
  }
  const [{ conversation, defaultConversation }, { conversationFormat }] = await Promise.all([
    import('./conversations.ts'),
    import('./conversation.ts'),
  ]);
  const own = defaultConversation(checkpoint.name);
  // Files are renamed at will, and hardly anybody has a LLaVA of the first version: published evaluations of 1.5 use vicuna_v1.
  const name = options.conversation ?? (own === 'llava_v0' ? 'vicuna_v1' : own);
  return conversationFormat(conversation(name), { imageStartEnd: checkpoint.config.bool('mm_use_im_start_end', false) });

  function tokenText<K extends string>(key: K, id: number | null | undefined): { [P in K]?: string } {
    return (id === null || id === undefined ? {} : { [key]: tokenizer!.decode([id], { special: true }) }) as { [P in K]?: string };
  }
}
