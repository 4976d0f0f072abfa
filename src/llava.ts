// The library's face: a model that answers about pictures.

import { conversationFormat } from './chat/conversation.ts';
import { conversation, defaultConversation } from './chat/conversations.ts';
import { IMAGE_TOKEN_INDEX, tokenizeWithImages } from './chat/imagePrompt.ts';
import type { ChatFormat, ChatMessage } from './chat/messages.ts';
import { templateFormat } from './chat/template.ts';
import { InputError } from './errors.ts';
import { type Account, type Chunk, type GenerateOptions, generate, newAccount, newSpent } from './generate/generate.ts';
import { IGNORED, tokenLogProbs } from './generate/score.ts';
import { type ImageRows, type Piece, Session } from './generate/session.ts';
import type { RgbImage } from './image/image.ts';
import { type ImageInput, loadImage } from './image/load.ts';
import type { Checkpoint, EncodeOptions, Model, ModelOptions, PictureOptions, PictureView } from './models/model.ts';
import { type CheckpointOptions, type ModelSource, openCheckpointFrom } from './models/open.ts';
import { openModel } from './models/registry.ts';
import { Reply } from './reply.ts';
import { Engine, type EngineOptions } from './runtime/engine.ts';
import type { Platform } from './runtime/platform.ts';
import { Programs, type Spent } from './runtime/programs.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface LoadOptions extends CheckpointOptions, ModelOptions, EngineOptions {
  /** Name of a built-in conversation (`vicuna_v1`, `llava_llama_2`, ...); default: the checkpoint's own template, else by its name. */
  readonly conversation?: string;
  /** Jinja source of a chat template, instead of the checkpoint's. */
  readonly chatTemplate?: string;
  /**
   * Where the vision tower lives: in the language model's memory, or in one of its own, as models that together pass 4 GiB need.
   * Default: its own when the weights and the cache would not fit beside it.
   */
  readonly towerMemory?: 'shared' | 'own';
  /** Stored bytes of weights read so far and in all; begins again for the tower and for the language model. */
  readonly onProgress?: (loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A picture in a message: bytes, a Blob, a URL, a path (where the platform reads files), pixels; or OpenAI's image_url. */
export type MessagePart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly image: ImageInput }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly MessagePart[];
}

export interface ChatOptions extends GenerateOptions, PictureOptions {
  /** Sees how each picture was cut and where its visual tokens look; `picture` counts from 0. Pictures encoded before are encoded again. */
  readonly explain?: (picture: number, image: RgbImage, view: PictureView) => void;
  /** A picture is being encoded: pictures done, and in all. */
  readonly onImage?: (done: number, total: number) => void;
}

/** Natural logarithms. */
export interface AnswerScore {
  readonly tokens: readonly { readonly id: number; readonly text: string; readonly logp: number }[];
  readonly sum: number;
  readonly count: number;
  readonly mean: number;
  readonly perplexity: number;
}

/** Encoded pictures that are kept for the next turn. */
const KEPT_IMAGES = 8;

/** A loaded model. Not reentrant: one answer at a time; a second call waits for the first. */
export class Llava implements AsyncDisposable {
  readonly model: Model;
  readonly checkpoint: Checkpoint;
  readonly engine: Engine;
  readonly programs: Programs;
  /** The tower's programs: the same object unless the tower has a memory of its own. */
  readonly vision: Programs;
  readonly #platform: Platform;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #format: ChatFormat;
  readonly #session: Session;
  readonly #images: Map<string, ImageRows> = new Map();
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(
    platform: Platform,
    checkpoint: Checkpoint,
    model: Model,
    engine: Engine,
    tower: Engine,
    tokenizer: Tokenizer | undefined,
    options: LoadOptions,
  ) {
    this.#platform = platform;
    this.checkpoint = checkpoint;
    this.model = model;
    this.engine = engine;
    this.programs = new Programs(engine, model.weights);
    this.vision = tower === engine ? this.programs : new Programs(tower, model.weights);
    this.#tokenizer = tokenizer;
    this.#format = chatFormat(checkpoint, tokenizer, options);
    this.#session = new Session(this.programs, model.decoder);
  }

  /** Loads a model onto a platform. The entry of each runtime binds the platform: see src/index.ts. */
  static async load(platform: Platform, source: ModelSource, options: LoadOptions = {}): Promise<Llava> {
    const checkpoint = await openCheckpointFrom(platform, source, options);
    let engine: Engine | undefined;
    try {
      const model = openModel(checkpoint, options);
      engine = await Engine.create(platform, options);
      const own = options.towerMemory ? options.towerMemory === 'own' : model.encoder !== undefined && crowded(checkpoint, model);
      const tower = own ? await engine.sibling() : engine;
      const llava = new Llava(platform, checkpoint, model, engine, tower, await checkpoint.tokenizer(), options);
      await llava.#prepare(options);
      return llava;
    } catch (e) {
      await engine?.dispose();
      await checkpoint.files.close();
      throw e;
    }
  }

  /** Answers the conversation. Text streams from the reply; pictures and turns that the last call had are not computed again. */
  chat(messages: readonly Message[], options: ChatOptions = {}): Reply {
    const account = newAccount();
    const encoded = newSpent();
    const stream = this.#exclusive(() => this.#answer(messages, options, account, encoded));
    return new Reply(stream, account, encoded);
  }

  /** Rows that stand for a picture in the language model's sequence: f32 [rows, hidden]. */
  async embedImage(image: ImageInput, options: PictureOptions & { readonly signal?: AbortSignal } = {}): Promise<ImageRows> {
    const pixels = await this.#loadImage(image);
    for await (const rows of this.#exclusive(() =>
      once(() => this.#encode(pixels, { ...choices(options), spent: newSpent(), ...(options.signal && { signal: options.signal }) })),
    ))
      return rows;
    throw new InputError('embedImage: gave no rows');
  }

  /** What the model thinks of the answer that ends the conversation: the log-probability of each of its tokens, end token included. */
  async score(messages: readonly Message[], options: { readonly signal?: AbortSignal } = {}): Promise<AnswerScore> {
    if (messages.at(-1)?.role !== 'assistant')
      throw new InputError('score: the last message: got none of the assistant, an answer is expected');
    for await (const result of this.#exclusive(() => once(() => this.#score(messages, options.signal)))) return result;
    throw new InputError('score: gave no result');
  }

  /** Ids of the prompt of a conversation, -200 where a picture stands. */
  promptIds(messages: readonly Message[], addGenerationPrompt: boolean = true): number[] {
    const { config } = this.checkpoint;
    const inline = config.has('image_token_index') ? { imageToken: '<image>' } : {};
    return tokenizeWithImages(this.tokenizer, this.#format.render(messages.map(textual), { addGenerationPrompt }), inline);
  }

  get tokenizer(): Tokenizer {
    if (!this.#tokenizer)
      throw new InputError(`${this.checkpoint.name}: has no tokenizer: put tokenizer.model or tokenizer.json beside the weights`);
    return this.#tokenizer;
  }

  /** Ends the workers and gives the memory back. */
  async dispose(): Promise<void> {
    await this.engine.dispose();
    await this.checkpoint.files.close();
    this.#images.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #prepare({ onProgress, signal }: LoadOptions): Promise<void> {
    const load = { ...(onProgress && { onProgress }), ...(signal && { signal }) };
    await this.model.encoder?.prepare(this.vision, load);
    await this.#session.prepare(load);
  }

  async *#answer(messages: readonly Message[], options: ChatOptions, account: Account, encoded: Spent): AsyncGenerator<Chunk> {
    const inputs = messages.flatMap(imagesOf);
    const images: ImageRows[] = [];
    // Where the language model drops rows, it is known after the prefill which.
    const decides = this.model.decoder.hooks.kept !== undefined;
    const views: [picture: number, image: RgbImage, view: PictureView][] = [];
    for (const [i, input] of inputs.entries()) {
      options.onImage?.(i, inputs.length);
      const image = await this.#loadImage(input, options.signal);
      const { explain, signal } = options;
      images.push(
        await this.#encode(image, {
          ...choices(options),
          spent: encoded,
          ...(signal && { signal }),
          ...(explain && { explain: (view: PictureView) => (decides ? views.push([i, image, view]) : explain(i, image, view)) }),
        }),
      );
    }
    options.onImage?.(inputs.length, inputs.length);
    account.imageRows = images.reduce((n, x) => n + x.rows, 0);
    let next = 0;
    const pieces: Piece[] = this.promptIds(messages).map((id) => (id === IMAGE_TOKEN_INDEX ? images[next++]! : id));
    const stop = [...this.#format.stop, ...(options.stop ?? [])];
    yield* generate(this.#session, this.tokenizer, pieces, { ...options, stop }, account);
    for (const [i, image, view] of views) {
      const kept = this.#session.kept(images[i]!);
      const fits = kept?.length === view.grid.width * view.grid.height;
      options.explain?.(i, image, { ...view, ...(kept && fits && { kept }) });
    }
  }

  async #score(messages: readonly Message[], signal?: AbortSignal): Promise<AnswerScore> {
    const images: ImageRows[] = [];
    for (const input of messages.flatMap(imagesOf))
      images.push(await this.#encode(await this.#loadImage(input, signal), { spent: newSpent(), ...(signal && { signal }) }));
    const ids = this.promptIds(messages, false);
    const open = this.promptIds(messages.slice(0, -1));
    // The answer begins where the open prompt ends; its first space may belong to its first word.
    let from = 0;
    while (from < open.length && ids[from] === open[from]) from++;
    let next = 0;
    const pieces: Piece[] = ids.map((id) => (id === IMAGE_TOKEN_INDEX ? images[next++]! : id));
    const labels = ids.flatMap((id, i) =>
      id === IMAGE_TOKEN_INDEX ? new Array<number>((pieces[i] as ImageRows).rows).fill(IGNORED) : [i < from ? IGNORED : id],
    );
    const { vocabulary } = this.model.decoder.backbone;
    const logps: number[] = [];
    await this.#session.score(
      pieces,
      (program, at, rows) => {
        // Row i predicts row i + 1: the first label of a slice is not looked at.
        const own = labels.slice(at, at + rows + 1);
        const data = this.engine.read(program, 'logits');
        logps.push(...tokenLogProbs({ data, vocabulary }, own.length > rows ? own : [...own, IGNORED]));
      },
      { ...(signal && { signal }) },
    );
    const tokens = ids.slice(from).map((id, i) => ({ id, text: this.tokenizer.decode([id], { special: true }), logp: logps[i]! }));
    const sum = logps.reduce((a, b) => a + b, 0);
    return { tokens, sum, count: tokens.length, mean: sum / tokens.length, perplexity: Math.exp(-sum / tokens.length) };
  }

  #loadImage(input: ImageInput, signal?: AbortSignal): Promise<RgbImage> {
    const { readFile } = this.#platform;
    return loadImage(input, { ...(readFile && { readFile }), ...(signal && { signal }) });
  }

  async #encode(image: RgbImage, options: EncodeOptions): Promise<ImageRows> {
    const { encoder } = this.model;
    if (!encoder)
      throw new InputError(`${this.checkpoint.name}: has no vision tower: give one (mmproj or tower), or leave the pictures out`);
    const chosen = choices(options);
    for (const name of Object.keys(chosen)) {
      if (!(encoder.choices as readonly string[] | undefined)?.includes(name))
        throw new InputError(`${name}: ${this.model.name} has no such choice: leave it out`);
    }
    const key = `${await fingerprint(image)} ${JSON.stringify(chosen)}`;
    let rows = options.explain ? undefined : this.#images.get(key);
    if (!rows) {
      rows = { ...(await encoder.encode(this.vision, image, options)), key };
      if (this.#images.size >= KEPT_IMAGES) this.#images.delete(this.#images.keys().next().value!);
    }
    // Used last: dropped last.
    this.#images.delete(key);
    this.#images.set(key, rows);
    return rows;
  }

  /** Runs generators one after the other: they share a cache and an arena. */
  async *#exclusive<T>(body: () => AsyncGenerator<T>): AsyncGenerator<T> {
    const before = this.#queue;
    let release = () => {};
    this.#queue = new Promise<void>((resolve) => {
      release = resolve;
    });
    try {
      await before;
      yield* body();
    } finally {
      release();
    }
  }
}

async function* once<T>(body: () => Promise<T>): AsyncGenerator<T> {
  yield await body();
}

/** Weights and caches that leave no room for arenas within 4 GiB. */
function crowded({ files }: Checkpoint, { decoder }: Model): boolean {
  const weights = [...files.tensors.values()].reduce((n, t) => n + t.bytes, 0);
  const caches = decoder.caches.reduce((n, c) => n + c.k.storage.bytes + c.v.storage.bytes, 0);
  return weights + caches > 3.5 * 2 ** 30;
}

const imagesOf = ({ content }: Message): ImageInput[] =>
  typeof content === 'string'
    ? []
    : content.flatMap((p) => (p.type === 'image' ? [p.image] : p.type === 'image_url' ? [p.image_url.url] : []));

const textual = ({ role, content }: Message): ChatMessage => ({
  role,
  content: typeof content === 'string' ? content : content.map((p) => (p.type === 'text' ? p : { type: 'image' as const })),
});

/** The choices that the caller made, in one order. */
const choices = ({ visualTokens, slices, preResize }: PictureOptions): PictureOptions => ({
  ...(visualTokens !== undefined && { visualTokens }),
  ...(slices !== undefined && { slices }),
  ...(preResize !== undefined && { preResize }),
});

/** Same pixels, same key. */
async function fingerprint({ width, height, data }: RgbImage): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>));
  return `${width}x${height} ${[...digest].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
}

function chatFormat(checkpoint: Checkpoint, tokenizer: Tokenizer | undefined, options: LoadOptions): ChatFormat {
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
