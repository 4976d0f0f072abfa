// Answers as the OpenAI API shapes them: one object, or a stream of server-sent events.

import type { Usage } from '../generate/account.ts';
import type { Chunk } from '../generate/generate.ts';
import type { TokenLogprobs } from '../generate/logprobs.ts';
import type { Llava } from '../llava.ts';
import { errorBody } from './errors.ts';
import { type Insight, insight } from './insight.ts';
import type { ChatRequest } from './request.ts';

/** One answer on its way. */
export interface Answer {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly llava: Llava;
  readonly request: ChatRequest;
  readonly signal: AbortSignal;
  /** Called once, with the usage where the answer was completed. */
  done(usage: Usage | undefined): void;
}

interface Choice {
  readonly index: 0;
  readonly logprobs: { content: unknown[] } | null;
  readonly finish_reason: string | null;
}

/** The whole answer as one JSON object. */
export async function completion(answer: Answer): Promise<object> {
  let usage: Usage | undefined;
  try {
    const { reply, insight: seen } = start(answer);
    let text = '';
    const logprobs: unknown[] = [];
    for await (const chunk of reply) {
      text += chunk.text;
      logprobs.push(...scores(answer.llava, chunk));
    }
    usage = await reply.usage;
    const choice: Choice = {
      index: 0,
      logprobs: answer.request.options.logprobs === undefined ? null : { content: logprobs },
      finish_reason: usage.finishReason,
    };
    return {
      ...head(answer, 'chat.completion'),
      choices: [{ ...choice, message: { role: 'assistant', content: text.trim(), refusal: null } }],
      ...counts(usage),
      ...(seen && { pumice: seen.result() }),
    };
  } finally {
    answer.done(usage);
  }
}

/** The answer as events: role, texts, the reason of its end, and `[DONE]`. Cancelling the stream stops the answer. */
export function completionStream(answer: Answer, cancel: (reason: unknown) => void): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async start(controller) {
      let usage: Usage | undefined;
      const send = (data: unknown) =>
        controller.enqueue(encoder.encode(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`));
      const event = (delta: object, choice: Partial<Choice> = {}, more: object = {}) =>
        send({
          ...head(answer, 'chat.completion.chunk'),
          choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...choice }],
          ...more,
        });
      try {
        const { reply, insight: seen } = start(answer);
        event({ role: 'assistant', content: '' });
        let begun = false;
        for await (const chunk of reply) {
          // The space before the first word belongs to the template.
          const content: string = begun ? chunk.text : chunk.text.trimStart();
          begun ||= content !== '';
          const found = scores(answer.llava, chunk);
          event({ content }, found.length ? { logprobs: { content: found } } : {});
        }
        usage = await reply.usage;
        event({}, { finish_reason: usage.finishReason }, seen ? { pumice: seen.result() } : {});
        if (answer.request.streamUsage) send({ ...head(answer, 'chat.completion.chunk'), choices: [], ...counts(usage) });
        send('[DONE]');
        controller.close();
      } catch (e) {
        // The status has been sent: the error can only be an event. Nobody reads it after a disconnect.
        if (!answer.signal.aborted) {
          send(errorBody(e).body);
          controller.close();
        }
      } finally {
        answer.done(usage);
      }
    },
    cancel,
  });
}

function start({ llava, request, signal }: Answer): { reply: ReturnType<Llava['chat']>; insight: Insight | undefined } {
  const seen = request.explain ? insight(llava) : undefined;
  return { reply: llava.chat(request.messages, { ...request.options, signal, ...(seen && { explain: seen.explain }) }), insight: seen };
}

const head = ({ id, created, model }: Answer, object: string) => ({ id, object, created, model });

function counts(u: Usage): object {
  const rate = (n: number, ms: number) => (ms > 0 ? (1000 * n) / ms : 0);
  return {
    usage: {
      prompt_tokens: u.promptTokens,
      completion_tokens: u.completionTokens,
      total_tokens: u.promptTokens + u.completionTokens,
      prompt_tokens_details: { cached_tokens: u.cachedTokens, image_tokens: u.imageTokens },
    },
    timings: {
      image_n: u.imageTokens,
      image_ms: u.encodeMs,
      prompt_n: u.promptTokens - u.cachedTokens,
      prompt_ms: u.prefillMs,
      prompt_per_second: rate(u.promptTokens - u.cachedTokens, u.prefillMs),
      predicted_n: u.completionTokens,
      predicted_ms: u.decodeMs,
      predicted_per_second: rate(u.completionTokens - 1, u.decodeMs),
    },
  };
}

function scores({ tokenizer }: Llava, { logprobs }: Chunk): object[] {
  const encoder = new TextEncoder();
  const shown = ({ id, logprob }: { readonly id: number; readonly logprob: number }) => {
    const token = tokenizer.decode([id], { special: true });
    return { token, logprob, bytes: [...encoder.encode(token)] };
  };
  return (logprobs ?? []).map((t: TokenLogprobs) => ({ ...shown(t), top_logprobs: t.top.map(shown) }));
}
