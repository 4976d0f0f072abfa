// One conversation over a decoder: what is in its KV cache, and how rows get in.

import { KEY_BLOCK } from '../../assembly/kernels/attention/layout.ts';
import { InputError, UnsupportedError } from '../errors.ts';
import { kvBytes, setKvRows } from '../graph/kv.ts';
import type { Run } from '../models/backbone.ts';
import type { Decoder, DecoderProgram } from '../models/decoder.ts';
import type { Program } from '../runtime/engine.ts';
import type { LoadOptions } from '../runtime/load.ts';
import type { Programs, Spent } from '../runtime/programs.ts';
import { hiddenRows, type ImageRows, type Piece, type Row, rowsOf, same } from './rows.ts';
import { type CacheCopy, copyCaches, restoreCaches } from './snapshot.ts';

export type { ImageRows, Piece, Row } from './rows.ts';

/** A session as it was, with the rows that its caches held from some row on. */
export interface Snapshot {
  readonly rows: readonly Row[];
  readonly marks: readonly Mark[];
  readonly caches: CacheCopy;
  /** Rows of the prompt that the decoder's tables were written for; absent: none was. */
  readonly tables?: number;
}

/** Lengths of the caches when `rows` rows were in. */
export interface Mark {
  readonly rows: number;
  readonly lengths: readonly number[];
}

/** Sees every run of a session from inside: router choices, attention of a layer, hidden states. */
export interface SessionObserver {
  /** Intermediates to keep readable: taps of the graph. */
  readonly keep: readonly string[];
  /** Called after a run over `rows` rows of the sequence from row `from` on. `program` reads the intermediates. */
  visit(run: { readonly kind: DecoderProgram; readonly program: Program; readonly from: number; readonly rows: readonly Row[] }): void;
}

export class Session {
  readonly decoder: Decoder;
  readonly programs: Programs;
  /** Keeping intermediates costs memory and a program of its own: set only while somebody looks. */
  observer: SessionObserver | undefined;
  #cached: Row[] = [];
  /** Rows in the caches of each group of layers (`Decoder.groups`) after each run; the first group has all rows, always. */
  #marks: Mark[] = [];
  /** Which rows of a picture stayed, by its key: of the pictures of the last prompt. */
  readonly #kept: Map<string, Uint8Array> = new Map();
  #keepRate: number | undefined;
  /** Tokens fed one by one since the last prompt. */
  #generated = 0;
  /** What the decoder's tables were written for: rows of a prompt, and their regime. */
  #tables: { readonly rows: number; readonly regime: number } | undefined;

  constructor(programs: Programs, decoder: Decoder) {
    this.programs = programs;
    this.decoder = decoder;
  }

  /** Rows in the cache. */
  get length(): number {
    return this.#cached.length;
  }

  /** Forgets everything after the first `rows` rows; where a variant keeps fewer rows in some layers, back to the end of an earlier run. */
  truncate(rows: number): void {
    if (rows >= this.length) return;
    if (this.decoder.dropsRows) {
      while ((this.#marks.at(-1)?.rows ?? 0) > rows) this.#marks.pop();
      rows = this.#marks.at(-1)?.rows ?? 0;
    }
    this.#cached.length = rows;
    this.#hold(this.#lengths());
  }

  /** Gives each group's caches the pages for so many rows; the memory of others can be used again. */
  #hold(lengths: readonly number[]): void {
    const { caches, groups } = this.decoder;
    for (const [i, c] of caches.entries()) setKvRows(this.programs.engine, c, lengths[groups.indexOf(this.decoder.group(i))]!);
  }

  /** Plans, loads and installs what a conversation needs. */
  async prepare(load: LoadOptions = {}): Promise<void> {
    await this.#program('prefill', [], load);
    await this.#program('decode', [], load);
  }

  /**
   * Brings the cache to the state after `prompt` and returns the logits of its last row, f32 [vocabulary].
   * Rows that the cache already holds as a prefix are not computed again; the last row always is. `answered`: tokens at the end of the
   * prompt that are an answer begun before, for models that run the whole sequence at every token. `keepRate`: share of a picture's rows that
   * goes on, for models that take it (`Hooks.takesKeepRate`).
   */
  async prefill(
    prompt: readonly Piece[],
    options: {
      spent?: Spent;
      signal?: AbortSignal;
      onProgress?: (done: number, total: number) => void;
      answered?: number;
      keepRate?: number;
    } = {},
  ): Promise<{ logits: Float32Array; reused: number; rows: number }> {
    const rows = rowsOf(prompt, this.decoder.backbone);
    this.#chooseKeepRate(options.keepRate);
    this.truncate(this.#shared(rows));
    const program = await this.#program('prefill');
    await this.#writeTables(rows.length);
    this.#generated = options.answered ?? 0;
    const reused = this.length;
    if (reused === 0) this.#kept.clear();
    for (const [at, to] of this.#chunks(reused, rows)) {
      await this.#run('prefill', program, rows.slice(at, to), { rows, start: reused, generated: this.#generated }, options);
      options.onProgress?.(to - reused, rows.length - reused);
    }
    return { logits: this.programs.engine.read(program, 'logits'), reused, rows: rows.length };
  }

  /**
   * Runs `prompt` with logits at every row. After each chunk `visit` reads what it wants: `logits` f32 [rows, vocabulary] and the
   * intermediates named by `keep`. With `reuse` the rows that the cache already holds are not computed (nor visited) again.
   */
  async score(
    prompt: readonly Piece[],
    visit: (program: Program, from: number, rows: number) => void,
    options: { keep?: readonly string[]; spent?: Spent; signal?: AbortSignal; reuse?: boolean } = {},
  ): Promise<number> {
    const rows = rowsOf(prompt, this.decoder.backbone);
    this.truncate(options.reuse ? this.#shared(rows) : 0);
    const program = await this.#program('score', options.keep);
    await this.#writeTables(rows.length);
    const start = this.length;
    this.#generated = 0;
    for (const [at, to] of this.#chunks(start, rows)) {
      await this.#run('score', program, rows.slice(at, to), { rows, start, generated: 0 }, options);
      visit(program, at, to - at);
    }
    return rows.length;
  }

  /** Appends one token; returns the logits after it, f32 [vocabulary]. */
  async step(id: number, spent?: Spent, signal?: AbortSignal): Promise<Float32Array> {
    const options = { ...(spent && { spent }), ...(signal && { signal }) };
    const rows = [...this.#cached, ...rowsOf([id], this.decoder.backbone)];
    const generated = ++this.#generated;
    if (this.decoder.hooks.recompute) {
      const program = await this.#program('prefill');
      this.truncate(0);
      for (const [at, to] of this.#chunks(0, rows))
        await this.#run('prefill', program, rows.slice(at, to), { rows, start: 0, generated }, options);
      return this.programs.engine.read(program, 'logits');
    }
    const program = await this.#program('decode');
    if (!this.#tables) await this.#writeTables(1);
    await this.#run('decode', program, rows.slice(-1), { rows, start: this.length, generated }, options);
    return this.programs.engine.read(program, 'logits');
  }

  /** Tokens that can still be appended. */
  get room(): number {
    const lengths = this.cacheRows;
    const { caches, options } = this.decoder;
    const { engine } = this.programs;
    // Rows that every layer's last page still has, and those of pages that every layer can still take.
    const memories = caches.map(({ k }) => engine.memoryOf(k.storage));
    const held = caches.map(({ k }, i) => KEY_BLOCK * memories[i]!.pages(k.storage).length - lengths[i]!);
    const pages = memories.map((m) => m.heap.fits(caches[0]!.k.storage.pageBytes!) / (2 * memories.filter((other) => other === m).length));
    return Math.min(options.context - Math.max(...lengths), Math.min(...held) + KEY_BLOCK * Math.floor(Math.min(...pages)));
  }

  /** 1 for each row of a picture that went on to the last layer, 0 where it was dropped; undefined: nothing decides about it. */
  kept(picture: ImageRows): Uint8Array | undefined {
    return this.#kept.get(picture.key);
  }

  #notice(rows: readonly Row[], kept: Int32Array): void {
    const stay = new Set(kept);
    for (const [i, { image, row }] of rows.entries()) {
      if (!image || row === undefined) continue;
      if (row === 0) this.#kept.set(image.key, new Uint8Array(image.rows));
      this.#kept.get(image.key)![row] = stay.has(i) ? 1 : 0;
    }
  }

  /** Rows in each layer's cache. */
  get cacheRows(): number[] {
    const { groups, backbone } = this.decoder;
    const lengths = this.#lengths();
    return Array.from({ length: backbone.layers }, (_, i) => lengths[groups.indexOf(this.decoder.group(i))]!);
  }

  /** Bytes that the rows in the caches take, and would take if every layer had every row; and bytes of the pages that they lie in. */
  get kvBytes(): { readonly kept: number; readonly dense: number; readonly memory: number } {
    const { caches } = this.decoder;
    const { engine } = this.programs;
    const sum = (rows: readonly number[]) => caches.reduce((n, c, i) => n + kvBytes(c, rows[i]!), 0);
    const tables = caches.flatMap(({ k, v }) => [k.storage, v.storage]);
    const pages = tables.map((t) => engine.memoryOf(t).pages(t).length * t.pageBytes!);
    return {
      kept: sum(this.cacheRows),
      dense: sum(caches.map(() => this.length)),
      memory: pages.reduce((a, b) => a + b, 0),
    };
  }

  /** Where chunks of a prompt begin and end: no longer than a chunk, and, where a variant needs it, not within a picture. */
  *#chunks(from: number, rows: readonly Row[]): Generator<readonly [at: number, to: number]> {
    const { options, hooks } = this.decoder;
    for (let at = from; at < rows.length; ) {
      let to = Math.min(rows.length, at + options.chunk);
      if (hooks.wholePictures) {
        while (to > at && to < rows.length && (rows[to]!.row ?? 0) > 0) to--;
        if (to === at)
          throw new InputError(`chunk: a picture must fit into one: got more than ${options.chunk} rows, load with a larger chunk`);
      }
      yield [at, to];
      at = to;
    }
  }

  async #run(
    kind: DecoderProgram,
    program: Program,
    rows: readonly Row[],
    prompt: { readonly rows: readonly Row[]; readonly start: number; readonly generated: number },
    { spent, signal }: { spent?: Spent; signal?: AbortSignal },
  ): Promise<void> {
    const { engine } = this.programs;
    const { decoder } = this;
    const past = this.length;
    const { start, generated } = prompt;
    const run: Run = {
      engine,
      program,
      kind,
      past,
      rows,
      total: prompt.rows.length,
      prompt: prompt.rows,
      start,
      generated,
      ...(this.#keepRate !== undefined && { keepRate: this.#keepRate }),
    };
    const before = this.#lengths();
    const { context } = decoder.options;
    const wanted = decoder.groups.map(({ most }, i) => before[i]! + (most?.(run) ?? rows.length));
    for (const n of wanted) {
      if (n > context)
        throw new InputError(
          `context: is full: got ${n} rows, the cache holds ${context}: load with a larger context or shorten the conversation`,
        );
    }
    try {
      this.#hold(wanted);
    } catch (e) {
      this.#hold(before);
      throw e;
    }
    for (const [i, group] of decoder.groups.entries()) engine.setCell(group.past, before[i]!);
    engine.setCell(decoder.rows, rows.length);
    engine.write(
      program,
      'ids',
      Int32Array.from(rows, (r) => r.id),
    );
    engine.write(
      program,
      'positions',
      Int32Array.from(rows, (_, i) => past + i),
    );
    if (rows.some((r) => r.image)) engine.write(program, 'hidden', hiddenRows(rows, decoder.backbone.hidden));
    decoder.hooks.beforeRun?.(run);
    await this.programs.run(program, spent, signal);
    this.observer?.visit({ kind, program, from: past, rows });
    this.#cached.push(...rows);
    if (kind === 'prefill' && decoder.hooks.kept) this.#notice(rows, decoder.hooks.kept(engine, program));
    if (decoder.dropsRows) {
      const lengths = decoder.groups.map((group, i) => before[i]! + (group.added ? engine.getCell(group.added) : rows.length));
      this.#marks.push({ rows: this.length, lengths });
      this.#hold(lengths);
    }
  }

  /** Copies the state; rows before `from` are not copied and must still be there at `restore`. */
  save(from: number): Snapshot {
    const start = !this.decoder.dropsRows ? [from] : (this.#marks.findLast((m) => m.rows <= from)?.lengths ?? [0]);
    const caches = copyCaches(this.programs.engine, this.decoder.caches, Math.min(...start), Math.max(...this.#lengths()));
    return { rows: [...this.#cached], marks: [...this.#marks], caches, ...(this.#tables && { tables: this.#tables.rows }) };
  }

  /** As `restore`, of a state that another session of the same decoder has saved from row 0 on. */
  async resume(s: Snapshot): Promise<void> {
    await this.prepare();
    if (s.tables !== undefined) await this.#writeTables(s.tables);
    this.restore(s);
  }

  restore(s: Snapshot): void {
    this.#cached = [...s.rows];
    this.#marks = [...s.marks];
    this.#hold(this.#lengths());
    restoreCaches(this.programs.engine, this.decoder.caches, s.caches);
  }

  #lengths(): readonly number[] {
    const { groups } = this.decoder;
    return groups.length === 1 ? [this.length] : (this.#marks.at(-1)?.lengths ?? groups.map(() => 0));
  }

  async #program(kind: DecoderProgram, keep: readonly string[] = [], load: LoadOptions = {}): Promise<Program> {
    const all = [...new Set([...keep, ...(this.observer?.keep ?? [])])];
    return this.programs.get(kind, () => this.decoder.graph(kind), all, load);
  }

  /** Writes what depends on the length of the prefill; what a cache holds from another regime is forgotten. */
  async #writeTables(rows: number): Promise<void> {
    const regime = this.decoder.regime(rows);
    if (regime === this.#tables?.regime) return;
    for (const { tensor, values } of await this.decoder.tables(rows)) this.programs.engine.writeFixed(tensor, values);
    this.truncate(0);
    this.#tables = { rows, regime };
  }

  /** What was kept at another rate cannot be gone on with. */
  #chooseKeepRate(rate: number | undefined): void {
    if (rate !== undefined && !this.decoder.hooks.takesKeepRate)
      throw new UnsupportedError('keepRate: this model lets all rows of a picture go on: load it with prune, or leave it out');
    if (rate !== undefined && !(rate >= 0 && rate <= 1)) throw new InputError(`keepRate: must be a share from 0 to 1: got ${rate}`);
    if (rate !== this.#keepRate) this.truncate(0);
    this.#keepRate = rate;
  }

  /** Rows of the cache that `rows` begins with; one less when that would be all of them. */
  #shared(rows: readonly Row[]): number {
    if (this.decoder.hooks.wholePrefill) return 0;
    let n = 0;
    while (n < this.#cached.length && n < rows.length && same(this.#cached[n]!, rows[n]!)) n++;
    return Math.min(n, rows.length - 1);
  }
}
