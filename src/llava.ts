// The library's face: a model that answers about pictures.

import type { AnswerScore, ScoredAnswer } from './answerScore.ts';
import { IMAGE_TOKEN_INDEX, tokenizeWithImages } from './chat/imagePrompt.ts';
import type { ChatFormat } from './chat/messages.ts';
import { chatFormat, type FormatOptions } from './chat/modelFormat.ts';
import { crowded } from './crowded.ts';
import { InputError } from './errors.ts';
import { type Account, newAccount, newSpent } from './generate/account.ts';
import type { Chunk, GenerateOptions } from './generate/generate.ts';
import type { Routing } from './generate/routing.ts';
import { type ImageRows, type Piece, Session } from './generate/session.ts';
import type { StateOwner } from './generate/state.ts';
import type { RgbImage } from './image/image.ts';
import type { ImageInput } from './image/load.ts';
import { imagesOf, isEncoded, type Message, type MessageWith, textual, withPictures } from './messages.ts';
import type { Checkpoint, Model, ModelOptions, PictureOptions, PictureView } from './models/model.ts';
import { type CheckpointOptions, type ModelSource, openCheckpointFrom } from './models/open.ts';
import { openModel } from './models/registry.ts';
import { Pictures } from './pictures.ts';
import { Reply } from './reply.ts';
import { Engine, type EngineOptions } from './runtime/engine.ts';
import type { Platform } from './runtime/platform.ts';
import { Programs, type Spent } from './runtime/programs.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface LoadOptions extends CheckpointOptions, ModelOptions, EngineOptions, FormatOptions {
  /**
   * Where the vision tower lives: in the language model's memory, or in one of its own, as models that together pass 4 GiB need.
   * Default: its own when the weights and the cache would not fit beside it.
   */
  readonly towerMemory?: 'shared' | 'own';
  /** Stored bytes of weights read so far and in all; begins again for the tower and for the language model. */
  readonly onProgress?: (loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface ChatOptions extends GenerateOptions, PictureOptions {
  /** Sees how each picture was cut and where its visual tokens look; `picture` counts from 0. Pictures encoded before are encoded again. */
  readonly explain?: (picture: number, image: RgbImage, view: PictureView) => void;
  /** Sees what the routers of a mixture did, layer by layer after each run. Costs a second plan of each program, and memory for what is kept. */
  readonly onRouting?: (routing: Routing) => void;
  /** A picture is being encoded: pictures done, and in all. */
  readonly onImage?: (done: number, total: number) => void;
}

export interface ScoreOptions {
  /** A second model: how far this one is from it is in the score. Logits of all rows of both are held: rows x vocabulary x 4 bytes each. */
  readonly teacher?: Llava;
  readonly signal?: AbortSignal;
}

/** A loaded model. Not reentrant: one answer at a time; a second call waits for the first. */
export class Llava implements AsyncDisposable {
  readonly model: Model;
  readonly checkpoint: Checkpoint;
  readonly engine: Engine;
  readonly programs: Programs;
  /** The tower's programs: the same object unless the tower has a memory of its own. */
  readonly vision: Programs;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #format: ChatFormat;
  readonly #session: Session;
  readonly #pictures: Pictures;
  /** What caches depend on besides the checkpoint. */
  readonly #settings: string;
  /** The last conversation, pictures encoded, with its answer so far. */
  #conversation: Message[] = [];
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(
    platform: Platform,
    checkpoint: Checkpoint,
    model: Model,
    engine: Engine,
    tower: Engine,
    tokenizer: Tokenizer | undefined,
    format: ChatFormat,
    options: LoadOptions,
  ) {
    this.checkpoint = checkpoint;
    this.model = model;
    this.engine = engine;
    this.programs = new Programs(engine, model.weights);
    this.vision = tower === engine ? this.programs : new Programs(tower, model.weights);
    this.#tokenizer = tokenizer;
    this.#format = format;
    this.#session = new Session(this.programs, model.decoder);
    this.#pictures = new Pictures(platform, model, checkpoint.name, this.vision);
    const { prune, sparse, precision = 'stored', adapter, imageMode } = options;
    const caches = new Set(model.decoder.caches.map(({ k }) => `${k.dtype} ${k.shape}`));
    this.#settings = JSON.stringify([[...caches], { prune, sparse, precision, adapter, imageMode }]);
  }

  /** Loads a model onto a platform. The entry of each runtime binds the platform: see src/index.ts. */
  static async load(platform: Platform, source: ModelSource, options: LoadOptions = {}): Promise<Llava> {
    const checkpoint = await openCheckpointFrom(platform, source, options);
    let engine: Engine | undefined;
    try {
      const model = await openModel(checkpoint, options);
      engine = await Engine.create(platform, options);
      const own = options.towerMemory ? options.towerMemory === 'own' : model.encoder !== undefined && crowded(checkpoint, model);
      const tower = own ? await engine.sibling() : engine;
      const tokenizer = await checkpoint.tokenizer();
      const format = await chatFormat(checkpoint, tokenizer, options);
      const llava = new Llava(platform, checkpoint, model, engine, tower, tokenizer, format, options);
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
    for await (const rows of this.#exclusive(() => once(() => this.#pictures.encode(image, { ...options, spent: newSpent() }))))
      return rows;
    throw new InputError('embedImage: gave no rows');
  }

  /** What the model thinks of the answer that ends the conversation: the log-probability of each of its tokens, end token included. */
  async score(messages: readonly Message[], options: ScoreOptions = {}): Promise<AnswerScore> {
    if (messages.at(-1)?.role !== 'assistant')
      throw new InputError('score: the last message: got none of the assistant, an answer is expected');
    for await (const result of this.#exclusive(() => once(() => this.#score(messages, options)))) return result;
    throw new InputError('score: gave no result');
  }

  /**
   * The last conversation as bytes: its messages and answer, its pictures' rows, and the cache. Another process (or a later one) goes on from
   * there without encoding or prefilling again, with the bits of an uninterrupted run. About as large as the cache's rows, see `usage.kvBytes`.
   */
  async saveState(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.model.decoder.hooks.recompute)
      throw new InputError('saveState: this model keeps no cache between tokens: there is nothing to save');
    for await (const bytes of this.#exclusive(() => once(() => this.#save()))) return bytes;
    throw new InputError('saveState: gave no bytes');
  }

  /**
   * Takes up what `saveState` gave, and returns the conversation, the answer last: `chat` with more messages goes on.
   * @throws FormatError for bytes that are damaged; InputError for those of another model, other settings or another version
   */
  async restoreState(bytes: Uint8Array): Promise<Message[]> {
    for await (const messages of this.#exclusive(() => once(() => this.#restore(bytes)))) return messages;
    throw new InputError('restoreState: gave no conversation');
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
    this.#pictures.clear();
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
    // Where the language model drops rows, it is known after the prefill which.
    const decides = this.model.decoder.hooks.kept !== undefined;
    const { explain } = options;
    const views: Parameters<NonNullable<typeof explain>>[] = [];
    const images = await this.#pictures.ofMessages(messages, {
      ...options,
      spent: encoded,
      explain: explain && ((...seen) => (decides ? views.push(seen) : explain(...seen))),
    });
    account.imageRows = images.reduce((n, x) => n + x.rows, 0);
    let next = 0;
    const pieces: Piece[] = this.promptIds(messages).map((id) => (id === IMAGE_TOKEN_INDEX ? images[next++]! : id));
    const stop = [...this.#format.stop, ...(options.stop ?? [])];
    const { generate } = await import('./generate/generate.ts');
    next = 0;
    const asked = messages.map((m): Message => withPictures(m, () => images[next++]!));
    let answer = '';
    if (options.onRouting) {
      const { routingObserver } = await import('./generate/routing.ts');
      this.#session.observer = routingObserver(this.engine, this.model.decoder, options.onRouting);
    }
    try {
      for await (const chunk of generate(this.#session, this.tokenizer, pieces, { ...options, stop }, account)) {
        answer += chunk.text;
        this.#conversation = [...asked, { role: 'assistant', content: answer.trim() }];
        yield chunk;
      }
    } finally {
      this.#session.observer = undefined;
    }
    for (const [i, image, view] of views) {
      const kept = this.#session.kept(images[i]!);
      const fits = kept?.length === view.grid.width * view.grid.height;
      explain?.(i, image, { ...view, ...(kept && fits && { kept }) });
    }
  }

  async #score(messages: readonly Message[], { signal, teacher }: ScoreOptions): Promise<AnswerScore> {
    const own = await this.#sequence(messages, teacher !== undefined, signal);
    if (!teacher) return own.score;
    // Its own turn is running: another one would wait for it.
    const other = teacher === this ? own : await teacher.#taught(messages, signal);
    const { distance } = await import('./generate/score.ts');
    return { ...own.score, teacher: other.score, distance: distance(own.sequence, other.sequence) };
  }

  /** The same for a student, after what the model is doing. */
  async #taught(messages: readonly Message[], signal?: AbortSignal): Promise<ScoredAnswer> {
    for await (const result of this.#exclusive(() => once(() => this.#sequence(messages, true, signal)))) return result;
    throw new InputError('score: gave no result');
  }

  /** Scores the answer; `keep`: with the logits of all rows. */
  async #sequence(messages: readonly Message[], keep: boolean, signal: AbortSignal | undefined): Promise<ScoredAnswer> {
    const { scoreAnswer } = await import('./answerScore.ts');
    const images = await this.#pictures.ofMessages(messages, { spent: newSpent(), signal });
    const prompt = { ids: this.promptIds(messages, false), open: this.promptIds(messages.slice(0, -1)), images };
    return scoreAnswer(this.#session, this.tokenizer, prompt, { name: this.model.name, keep, signal });
  }

  async #owner(): Promise<StateOwner> {
    const { checkpointDigest } = await import('./models/checkpointDigest.ts');
    return { model: await checkpointDigest(this.checkpoint), settings: this.#settings };
  }

  async #save(): Promise<Uint8Array<ArrayBuffer>> {
    const snapshot = this.#session.save(0);
    const used = this.#conversation.flatMap(imagesOf).filter(isEncoded);
    const shown = [...this.#pictures.kept(), ...used, ...snapshot.rows.flatMap((r) => (r.row === 0 ? [r.image!] : []))];
    const pictures = [...new Map(shown.map((p) => [p.key, p])).values()];
    const keys = pictures.map((p) => p.key);
    // A picture stands in a message by its number.
    const conversation = this.#conversation.map((m) => withPictures(m, (image) => keys.indexOf((image as ImageRows).key)));
    const { encodeState } = await import('./generate/state.ts');
    return encodeState(await this.#owner(), { snapshot, pictures, conversation });
  }

  async #restore(bytes: Uint8Array): Promise<Message[]> {
    const { decodeState } = await import('./generate/state.ts');
    const { snapshot, pictures, conversation } = await decodeState(await this.#owner(), bytes);
    for (const p of pictures) this.#pictures.keep(p);
    await this.#session.resume(snapshot);
    const messages = conversation as readonly MessageWith<number>[];
    this.#conversation = messages.map((m) => withPictures(m, (k) => pictures[k as number]!));
    return [...this.#conversation];
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
