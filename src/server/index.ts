// `pumice/server`: an OpenAI-compatible server as a web-standard fetch handler.

import { Hono } from 'hono';
import type { Usage } from '../generate/account.ts';
import type { Llava } from '../llava.ts';
import { type Answer, completion, completionStream } from './chat.ts';
import { errorBody, HttpError } from './errors.ts';
import { checkImageUrl, type ImageLimits, requestImage } from './images.ts';
import { Metrics } from './metrics.ts';
import { Queue } from './queue.ts';
import { chatRequest } from './request.ts';

export { HttpError } from './errors.ts';

export interface HandlerOptions {
  /** Loaded models by the name that requests use; the first serves requests that name none. The caller disposes them. */
  readonly models: Readonly<Record<string, Llava>>;
  /** Asked for as a bearer token; default: none. */
  readonly apiKey?: string;
  /** Hosts (`example.org`, `example.org:8080`) from which image_url may be fetched; default: none, data: URLs only. */
  readonly imageHosts?: readonly string[];
  /** Requests that may wait per model besides the one that runs; more get 429. Default 8. */
  readonly queue?: number;
  /** Bytes of a request body at most. Default 32 MiB. */
  readonly maxBodyBytes?: number;
  /** Bytes of a picture file at most. Default 20 MiB. */
  readonly maxImageBytes?: number;
  /** Pixels of a picture at most. Default 50 million. */
  readonly maxPixels?: number;
  /** Tokens of an answer at most, whatever a request asks for. Default 4096. */
  readonly maxTokens?: number;
  /** Replaces the global fetch for pictures of allowed hosts. */
  readonly fetch?: typeof fetch;
  /** Answers GET requests that are not of the API: a page. */
  readonly page?: (request: Request) => Response | undefined | Promise<Response | undefined>;
}

interface Served {
  readonly llava: Llava;
  readonly queue: Queue;
}

/** Routes: POST /v1/chat/completions, GET /v1/models, /health, /metrics, and the page. */
export function handler(options: HandlerOptions): (request: Request) => Promise<Response> {
  const models = new Map<string, Served>();
  for (const [name, llava] of Object.entries(options.models)) models.set(name, { llava, queue: new Queue(options.queue ?? 8) });
  const limits: ImageLimits = {
    imageHosts: options.imageHosts ?? [],
    maxImageBytes: options.maxImageBytes ?? 20 * 2 ** 20,
    maxPixels: options.maxPixels ?? 50e6,
    fetch: options.fetch ?? ((...a) => fetch(...a)),
  };
  const metrics = new Metrics();
  metrics.gauge('pumice_requests_in_flight', 'Chat requests that run or wait.', () =>
    [...models.values()].reduce((n, m) => n + m.queue.length, 0),
  );
  const created = Math.floor(Date.now() / 1000);
  const card = (id: string) => {
    // What requests may choose under `pumice`: for pages and other clients of ours.
    const { encoder, decoder } = models.get(id)!.llava.model;
    const choices = [...(encoder?.choices ?? []), ...(decoder.hooks.takesKeepRate ? ['keepRate'] : [])];
    return {
      id,
      object: 'model',
      created,
      owned_by: 'pumice',
      pumice: { choices, ...(encoder?.mostTokens !== undefined && { most_visual_tokens: encoder.mostTokens }) },
    };
  };
  const app = new Hono();

  app.onError((e, c) => {
    const { status, headers, body } = errorBody(e);
    if (status === 500) console.error(e);
    return c.json(body, status as 400, { ...headers });
  });
  app.notFound(async (c) => {
    const page = c.req.method === 'GET' ? await options.page?.(c.req.raw) : undefined;
    if (page) return page;
    throw new HttpError(404, 'not_found', `${c.req.method} ${c.req.path}: there is nothing here`);
  });
  app.get('/health', (c) => c.json({ status: 'ok' }));
  app.use('/v1/*', async (c, next) => {
    if (options.apiKey !== undefined && !(await sameText(c.req.header('authorization') ?? '', `Bearer ${options.apiKey}`)))
      throw new HttpError(401, 'invalid_api_key', 'authorization: the API key is missing or wrong');
    await next();
  });
  app.get('/metrics', (c) => c.text(metrics.text(), 200, { 'content-type': 'text/plain; version=0.0.4' }));
  app.get('/v1/models', (c) => c.json({ object: 'list', data: [...models.keys()].map(card) }));
  app.get('/v1/models/:id{.+}', (c) => {
    served(c.req.param('id'));
    return c.json(card(c.req.param('id')));
  });
  app.post('/v1/chat/completions', async (c) => {
    const started = performance.now();
    let status = 200;
    try {
      return await chat(c.req.raw);
    } catch (e) {
      status = errorBody(e).status;
      throw e;
    } finally {
      metrics.add('pumice_requests_total', 'Chat requests by status.', 1, `status="${status}"`);
      if (status !== 200) metrics.observe((performance.now() - started) / 1000);
    }
  });

  function served(name: string | undefined): { name: string; model: Served } {
    const first = models.entries().next().value;
    const found = name === undefined ? first?.[1] : models.get(name);
    if (!found) throw new HttpError(404, 'model_not_found', `model: there is no ${name}: it has ${[...models.keys()].join(', ')}`);
    return { name: name ?? first![0], model: found };
  }

  async function chat(raw: Request): Promise<Response> {
    const started = performance.now();
    const body = await jsonBody(raw, options.maxBodyBytes ?? 32 * 2 ** 20);
    // Everything that can be refused is refused before the request waits; pictures are decoded one request at a time.
    const checked = await chatRequest(body, async (url) => {
      checkImageUrl(url, limits);
      return { width: 1, height: 1, data: new Uint8Array(3) };
    });
    const { name, model } = served(checked.model);
    const abort = new AbortController();
    const signal = AbortSignal.any([raw.signal, abort.signal]);
    const leave = await model.queue.enter(signal);
    let answer: Answer;
    try {
      const request = await chatRequest(body, (url) => requestImage(url, limits, signal));
      const maxTokens = Math.min(request.options.maxTokens ?? 512, options.maxTokens ?? 4096);
      answer = {
        id: `chatcmpl-${crypto.randomUUID()}`,
        created: Math.floor(Date.now() / 1000),
        model: name,
        llava: model.llava,
        request: { ...request, options: { ...request.options, maxTokens } },
        signal,
        done(usage) {
          leave();
          metrics.observe((performance.now() - started) / 1000);
          if (usage) count(usage);
          else if (signal.aborted) metrics.add('pumice_cancelled_total', 'Answers that their client stopped.', 1);
        },
      };
    } catch (e) {
      leave();
      throw e;
    }
    if (!checked.stream) {
      const whole = completion(answer).catch((e: unknown) => {
        throw signal.aborted ? new HttpError(499, 'cancelled', 'the client went away') : e;
      });
      return Response.json(await whole);
    }
    return new Response(
      completionStream(answer, (reason) => abort.abort(reason ?? new DOMException('the client went away', 'AbortError'))),
      { headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' } },
    );
  }

  function count(u: Usage): void {
    metrics.add('pumice_prompt_tokens_total', 'Rows of prompts.', u.promptTokens);
    metrics.add('pumice_cached_tokens_total', 'Rows of prompts that the cache held.', u.cachedTokens);
    metrics.add('pumice_image_tokens_total', 'Rows of prompts that stand for pictures.', u.imageTokens);
    metrics.add('pumice_completion_tokens_total', 'Tokens of answers.', u.completionTokens);
    const seconds = (phase: string, ms: number) =>
      metrics.add('pumice_compute_seconds_total', 'Time by phase.', ms / 1000, `phase="${phase}"`);
    seconds('encode', u.encodeMs);
    seconds('prefill', u.prefillMs);
    seconds('decode', u.decodeMs);
  }

  return async (request) => app.fetch(request);
}

/** The JSON of a body. Other content types are refused: a foreign page can send those without asking first. */
async function jsonBody(request: Request, limit: number): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers.get('content-type') ?? ''))
    throw new HttpError(415, 'content_type', 'body: content-type application/json is expected');
  const tooLarge = () => new HttpError(413, 'body_too_large', `body: is too large: at most ${limit} bytes are taken`);
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || !value) break;
    size += value.length;
    if (size > limit) {
      void reader?.cancel();
      throw tooLarge();
    }
    text += decoder.decode(value, { stream: true });
  }
  try {
    return JSON.parse(text + decoder.decode());
  } catch {
    throw new HttpError(400, 'invalid_json', 'body: is no valid JSON');
  }
}

/** Compares in a time that tells nothing about where the texts differ. */
async function sameText(a: string, b: string): Promise<boolean> {
  const digest = async (text: string) => new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const [x, y] = await Promise.all([digest(a), digest(b)]);
  return x.reduce((different, byte, i) => different | (byte ^ y[i]!), 0) === 0;
}
