// The built-in conversations of LLaVA, as exact data; see renderConversation for the rules of the styles.

import { InputError } from '../errors.ts';
import type { Conversation } from './conversation.ts';

const CURIOUS_USER =
  "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions.";
const CURIOUS_HUMAN =
  "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions.";
const MMTAG =
  'A chat between a curious user and an artificial intelligence assistant. The assistant is able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language.The visual content will be provided with the following format: <Image>visual content</Image>.';
const LLAMA_2 =
  "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while being safe.  Your answers should not include any harmful, unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses are socially unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually coherent, explain why instead of answering something not correct. If you don't know the answer to a question, please don't share false information.";
const LLAVA_LLAMA_2 =
  'You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language.';

const EXAMPLE: readonly [string, string] = [
  'What are the key differences between renewable and non-renewable energy sources?',
  [
    'Renewable energy sources are those that can be replenished naturally in a relatively short amount of time, such as solar, wind, hydro, geothermal, and biomass. Non-renewable energy sources, on the other hand, are finite and will eventually be depleted, such as coal, oil, and natural gas. Here are some key differences between renewable and non-renewable energy sources:',
    '1. Availability: Renewable energy sources are virtually inexhaustible, while non-renewable energy sources are finite and will eventually run out.',
    '2. Environmental impact: Renewable energy sources have a much lower environmental impact than non-renewable sources, which can lead to air and water pollution, greenhouse gas emissions, and other negative effects.',
    '3. Cost: Renewable energy sources can be more expensive to initially set up, but they typically have lower operational costs than non-renewable sources.',
    '4. Reliability: Renewable energy sources are often more reliable and can be used in more remote locations than non-renewable sources.',
    '5. Flexibility: Renewable energy sources are often more flexible and can be adapted to different situations and needs, while non-renewable sources are more rigid and inflexible.',
    '6. Sustainability: Renewable energy sources are more sustainable over the long term, while non-renewable sources are not, and their depletion can lead to economic and social instability.',
    '',
  ].join('\n'),
];

const USER_ASSISTANT = ['USER', 'ASSISTANT'] as const;
const HUMAN_ASSISTANT = ['Human', 'Assistant'] as const;
const CHATML = ['<|im_start|>user\n', '<|im_start|>assistant\n'] as const;

const V1: Conversation = { style: 'TWO', system: CURIOUS_USER, roles: USER_ASSISTANT, sep: ' ', sep2: '</s>' };
const LLAVA_V0: Conversation = { style: 'SINGLE', system: CURIOUS_HUMAN, roles: HUMAN_ASSISTANT, sep: '###', sep2: null };
const V0: Conversation = { ...LLAVA_V0, example: EXAMPLE };
const LLAMA: Conversation = { style: 'LLAMA_2', system: LLAMA_2, roles: USER_ASSISTANT, sep: '<s>', sep2: '</s>' };
const MPT: Conversation = {
  style: 'MPT',
  system:
    '<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers.',
  roles: CHATML,
  sep: '<|im_end|>',
  sep2: null,
};
const DIRECT: Conversation = { ...MPT, system: '<|im_start|>system\nAnswer the questions.' };
const PLAIN: Conversation = { style: 'PLAIN', system: '', roles: ['', ''], sep: '\n', sep2: null };

/** Every conversation by its upstream name. */
/** MoE-LLaVA and LLaVA-MoD: Vicuna's roles, answers end with GPT's token. */
const ENDOFTEXT: Conversation = { ...V1, sep2: '<|endoftext|>' };

export const conversations: ReadonlyMap<string, Conversation> = new Map([
  ['default', V0],
  ['v0', V0],
  ['v1', V1],
  ['vicuna_v1', V1],
  ['llama_2', LLAMA],
  ['mistral_instruct', { ...LLAMA, system: '', sep: '' }],
  ['chatml_direct', DIRECT],
  ['mistral_direct', DIRECT],
  ['plain', PLAIN],
  ['v0_plain', PLAIN],
  ['llava_v0', LLAVA_V0],
  ['v0_mmtag', { ...LLAVA_V0, system: MMTAG, imageExchange: true }],
  ['llava_v1', { ...V1, system: CURIOUS_HUMAN }],
  ['v1_mmtag', { ...V1, system: MMTAG, imageExchange: true }],
  ['llava_llama_2', { ...LLAMA, system: LLAVA_LLAMA_2 }],
  ['mpt', MPT],
  // MoE-LLaVA's names for Vicuna's, with the end tokens of their tokenizers.
  ['phi', ENDOFTEXT],
  ['qwen', ENDOFTEXT],
  ['stablelm', ENDOFTEXT],
  ['openchat', { ...V1, sep2: '<|end_of_turn|>' }],
  ['minicpm', V1],
  ['mistral', V1],
]);

/** The conversation of a name, or an error that lists the names. */
export function conversation(name: string): Conversation {
  const found = conversations.get(name);
  if (found === undefined)
    throw new InputError(`chat: unknown conversation: got ${JSON.stringify(name)}, known are ${[...conversations.keys()].join(', ')}`);
  return found;
}

/** Which conversation upstream uses for a repository, by its name alone. (Published 1.5 figures were made with `vicuna_v1`.) */
export function defaultConversation(repository: string): string {
  const name = repository.toLowerCase();
  if (/moe-?llava|llava-?mod/.test(name)) return 'qwen';
  if (name.includes('llama-2')) return 'llava_llama_2';
  if (name.includes('mistral')) return 'mistral_instruct';
  if (name.includes('v1.6-34b')) return 'chatml_direct';
  if (name.includes('v1')) return 'llava_v1';
  if (name.includes('mpt')) return 'mpt';
  return 'llava_v0';
}
