// The server answers: its chat API, as any client would use it.

import { PumiceError } from '../errors.ts';
import type { InsightResult } from '../server/insight.ts';
import type { Answered, Backend } from './backend.ts';

interface Event {
  readonly choices?: readonly { readonly delta: { readonly content?: string } }[];
  readonly usage?: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details: { image_tokens: number } };
  readonly pumice?: InsightResult;
  readonly error?: { readonly message: string };
}

interface Card {
  readonly id: string;
  readonly pumice: { readonly choices: readonly string[]; readonly most_visual_tokens?: number };
}

/** `key`: the server's API key; empty: none. A server that wants another one makes `open` fail with the code `unauthorized`. */
export function serverBackend(key: string): Backend {
  const authorization: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
  let keeps = false;
  return {
    async open() {
      const response = await fetch('/v1/models', { headers: authorization });
      if (response.status === 401)
        throw new PumiceError('unauthorized', key ? 'this is not the API key of the server' : 'the server asks for its API key');
      if (!response.ok) throw failure(`status ${response.status}`);
      const { data } = (await response.json()) as { data: readonly Card[] };
      const [card] = data;
      const { choices, most_visual_tokens: visualTokens } = card!.pumice;
      keeps = choices.includes('keepRate');
      return { name: card!.id, visualTokens, keep: keeps };
    },
    async ask({ image, text, visualTokens, keep }, onText, signal) {
      const content = [...(image ? [{ type: 'image_url', image_url: { url: await dataUrl(image) } }] : []), { type: 'text', text }];
      const body = {
        messages: [{ role: 'user', content }],
        stream: true,
        stream_options: { include_usage: true },
        pumice: {
          explain: true,
          ...(visualTokens === undefined ? {} : { visual_tokens: visualTokens }),
          ...(keeps && { keep_rate: keep }),
        },
      };
      const response = await fetch('/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...authorization },
        body: JSON.stringify(body),
        signal,
      });
      if (!response.ok) throw failure(((await response.json()) as Event).error?.message ?? `status ${response.status}`);
      let usage: Answered['usage'] = { prompt: 0, completion: 0, image: 0 };
      let insight: InsightResult = { ops: [], views: [] };
      for await (const event of events(response.body!)) {
        if (event.error) throw failure(event.error.message);
        const piece = event.choices?.[0]?.delta.content;
        if (piece) onText(piece);
        if (event.pumice) insight = event.pumice;
        const u = event.usage;
        if (u) usage = { prompt: u.prompt_tokens, completion: u.completion_tokens, image: u.prompt_tokens_details.image_tokens };
      }
      return { usage, insight };
    },
    close() {},
  };
}

const failure = (message: string): PumiceError => new PumiceError('server', message);

/** The data of server-sent events. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith('data: {')) yield JSON.parse(line.slice(6)) as Event;
  }
}

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
