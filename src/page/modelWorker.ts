// The worker that holds the model of the page.

import { Llava, type MessagePart } from '../entries/browser.ts';
import { insight } from '../server/insight.ts';
import type { Question } from './backend.ts';
import type { FromModel, ToModel } from './browserBackend.ts';

// The types of pages, which are those loaded, do not know the scope of a worker.
const scope = globalThis as unknown as { postMessage(m: FromModel): void; onmessage: ((e: MessageEvent<ToModel>) => void) | null };

let llava: Llava | undefined;
let running: AbortController | undefined;

scope.onmessage = ({ data }) => {
  if (data.kind === 'stop') return running?.abort();
  const done = data.kind === 'open' ? open(data.model) : ask(data.question);
  done.then(
    (m) => scope.postMessage(m),
    (e) => scope.postMessage({ kind: 'error', message: e instanceof Error ? e.message : String(e) }),
  );
};

async function open(model: string): Promise<FromModel> {
  await llava?.dispose();
  llava = await Llava.load(model, {
    // Drops what the question says.
    prune: { method: 'fastv', k: 1, r: 0 },
    onProgress: (loaded, total) => scope.postMessage({ kind: 'progress', share: loaded / total }),
  });
  return { kind: 'open', choices: { name: llava.checkpoint.name, visualTokens: llava.model.encoder?.mostTokens, keep: true } };
}

async function ask({ image, text, visualTokens, keep }: Question): Promise<FromModel> {
  running = new AbortController();
  const seen = insight(llava!);
  const content: MessagePart[] = [...(image ? [{ type: 'image' as const, image }] : []), { type: 'text', text }];
  const reply = llava!.chat([{ role: 'user', content }], {
    signal: running.signal,
    explain: seen.explain,
    keepRate: keep,
    ...(visualTokens === undefined ? {} : { visualTokens }),
  });
  let result: ReturnType<typeof seen.result> | undefined;
  try {
    for await (const chunk of reply) scope.postMessage({ kind: 'text', text: chunk.text });
  } finally {
    result = seen.result();
  }
  const u = await reply.usage;
  return {
    kind: 'answered',
    answered: { usage: { prompt: u.promptTokens, completion: u.completionTokens, image: u.imageTokens }, insight: result },
  };
}
