// What a chat request asks for, checked.

import type { RgbImage } from '../image/image.ts';
import type { ChatOptions } from '../llava.ts';
import type { Message, MessagePart } from '../messages.ts';
import { HttpError } from './errors.ts';

export interface ChatRequest {
  readonly model: string | undefined;
  readonly messages: readonly Message[];
  readonly options: ChatOptions;
  readonly stream: boolean;
  /** A last chunk with the token counts. */
  readonly streamUsage: boolean;
  /** Ours: operation times and picture views with the answer. */
  readonly explain: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const bad = (param: string, why: string): HttpError => new HttpError(400, 'invalid_value', `${param}: ${why}`);
const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x);

/** Reads a request body. `image` loads what an image_url names. */
export async function chatRequest(body: unknown, image: (url: string) => Promise<RgbImage>): Promise<ChatRequest> {
  if (!isObject(body)) throw bad('body', 'is no JSON object');
  refuse(body);
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0) throw bad('messages', 'is empty: a list of at least one message is expected');
  const read: Message[] = [];
  for (const [i, m] of messages.entries()) read.push(await message(m, `messages[${i}]`, image));
  const own = isObject(body.pumice) ? body.pumice : {};
  return {
    model: optional(body, 'model', 'string') as string | undefined,
    messages: read,
    options: chatOptions(body, own),
    stream: optional(body, 'stream', 'boolean') === true,
    streamUsage: isObject(body.stream_options) && body.stream_options.include_usage === true,
    explain: own.explain === true,
  };
}

/** What would be ignored is refused, where ignoring it would give another answer than asked for. */
function refuse(body: Json): void {
  if (body.n !== undefined && body.n !== null && body.n !== 1) throw bad('n', `got ${body.n}: one choice is given`);
  if (Array.isArray(body.tools) && body.tools.length) throw bad('tools', 'are not supported');
  if (isObject(body.response_format) && body.response_format.type !== 'text')
    throw bad('response_format', `got ${body.response_format.type}: only text is supported`);
}

async function message(m: unknown, where: string, image: (url: string) => Promise<RgbImage>): Promise<Message> {
  if (!isObject(m)) throw bad(where, 'is no object');
  const role = m.role === 'developer' ? 'system' : m.role;
  if (role !== 'system' && role !== 'user' && role !== 'assistant')
    throw bad(`${where}.role`, `got ${JSON.stringify(m.role)}: system, user or assistant is expected`);
  if (typeof m.content === 'string') return { role, content: m.content };
  if (!Array.isArray(m.content)) throw bad(`${where}.content`, 'is neither a text nor a list of parts');
  const parts: MessagePart[] = [];
  for (const [i, part] of m.content.entries()) parts.push(await messagePart(part, `${where}.content[${i}]`, image));
  return { role, content: parts };
}

async function messagePart(part: unknown, where: string, image: (url: string) => Promise<RgbImage>): Promise<MessagePart> {
  if (isObject(part) && part.type === 'text' && typeof part.text === 'string') return { type: 'text', text: part.text };
  if (isObject(part) && part.type === 'image_url') {
    const url = isObject(part.image_url) ? part.image_url.url : part.image_url;
    if (typeof url !== 'string') throw bad(`${where}.image_url`, 'has no url');
    return { type: 'image', image: await image(url) };
  }
  throw bad(where, 'is neither { type: "text", text } nor { type: "image_url", image_url: { url } }');
}

function chatOptions(body: Json, own: Json): ChatOptions {
  const options: Record<string, unknown> = {};
  const take = (from: Json, name: string, to: string) => {
    const value = optional(from, name, 'number');
    if (value !== undefined) options[to] = value;
  };
  take(body, 'max_tokens', 'maxTokens');
  take(body, 'max_completion_tokens', 'maxTokens');
  if (typeof options.maxTokens === 'number' && !(Number.isInteger(options.maxTokens) && options.maxTokens > 0))
    throw bad('max_tokens', `got ${options.maxTokens}: a whole number above 0 is expected`);
  take(body, 'temperature', 'temperature');
  take(body, 'top_p', 'topP');
  take(body, 'top_k', 'topK');
  take(body, 'min_p', 'minP');
  take(body, 'repeat_penalty', 'repetitionPenalty');
  take(body, 'seed', 'seed');
  take(own, 'visual_tokens', 'visualTokens');
  take(own, 'slices', 'slices');
  take(own, 'keep_rate', 'keepRate');
  const { stop, logit_bias: bias } = body;
  if (typeof stop === 'string') options.stop = [stop];
  else if (Array.isArray(stop) && stop.every((s) => typeof s === 'string')) options.stop = stop;
  else if (stop !== undefined && stop !== null) throw bad('stop', 'is neither a text nor a list of texts');
  if (isObject(bias)) options.logitBias = new Map(Object.entries(bias).map(([id, v]) => [Number(id), v]));
  if (optional(body, 'logprobs', 'boolean') === true) options.logprobs = optional(body, 'top_logprobs', 'number') ?? 0;
  return options as ChatOptions;
}

function optional(body: Json, name: string, type: 'string' | 'number' | 'boolean'): unknown {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== type) throw bad(name, `got ${JSON.stringify(value).slice(0, 80)}: a ${type} is expected`);
  return value;
}
