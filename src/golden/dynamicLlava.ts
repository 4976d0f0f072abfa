// Dynamic-LLaVA: what the predictors say, which rows stay, and the lengths of all caches.

import { Session } from '../generate/session.ts';
import { readKv } from '../graph/kv.ts';
import { concat } from '../models/concat.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import type { ModelOptions } from '../models/model.ts';
import type { Program } from '../runtime/engine.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import { assertSame, type GoldenCase, integers, type LoadedTensor } from './compare.ts';
import { best, Comparison, compareScore, encodePictures, type OpenModel, splice, type Tensors, withModel } from './endToEnd.ts';
import { load, same } from './pruning.ts';
import type { CaseRunner } from './runner.ts';

interface Params {
  readonly segments?: { readonly image: readonly [number, number] };
  readonly use_cache?: boolean;
  readonly turn2_token_ids?: readonly number[];
  readonly kept_generated_offsets_per_step?: readonly (readonly number[])[];
}

/** What a run said about itself, by name; nothing where the model does not decide that. */
class Decisions {
  readonly #m: OpenModel;
  readonly #program: Program;

  constructor(m: OpenModel, program: Program) {
    this.#m = m;
    this.#program = program;
  }

  scores(name: string): Float32Array {
    return this.#has(name) ? this.#m.engine.read(this.#program, name) : new Float32Array(0);
  }

  /** The rows of the chunk that stay after the stages, in order. */
  kept(rows: number, ...stages: readonly string[]): number[] {
    const before = Array.from({ length: rows }, (_, i) => i);
    return stages
      .filter((s) => this.#has(`${s} kept`))
      .reduce((left, s) => [...this.#m.engine.readInts(this.#program, `${s} kept`)].map((i) => left[i]!), before);
  }

  #has(name: string): boolean {
    return this.#program.plan.readable.has(name);
  }
}

const decisions = async (m: OpenModel, kind: 'prefill' | 'decode'): Promise<Decisions> =>
  new Decisions(m, await m.programs.get(kind, () => m.model.decoder.graph(kind)));

const STAGES = ['picture rows', 'answered rows', 'question rows'];

/** A prefill with every intermediate, the decisions in it and the caches after it. */
async function prefill(m: OpenModel, c: GoldenCase, inputs: Tensors, cmp: Comparison): Promise<void> {
  const prompt = splice(
    integers(inputs, 'input_ids'),
    m.model.encoder && cmp.wants('pixel_values') ? await encodePictures(m, inputs, cmp) : [],
  );
  const names = [...cmp.expected.keys()].filter((n) => n.startsWith('lm_') || ['inputs_embeds', 'sparse_in_hidden', 'logits'].includes(n));
  await compareScore(m, prompt, cmp, new Map(names.map((n) => [n, n])));
  // Where nothing is dropped, the plain model's logits are there too.
  if (cmp.wants('plain_logits')) await compareScore(m, prompt, cmp, new Map([['logits', 'plain_logits']]));
  const session = new Session(m.programs, m.model.decoder);
  const { rows } = await session.prefill(prompt);
  const said = await decisions(m, 'prefill');
  const [from, to] = (c.params as unknown as Params).segments?.image ?? [0, 0];
  const kept = said.kept(rows, ...STAGES);
  const picture = said
    .kept(rows, 'picture rows')
    .filter((r) => r >= from && r < to)
    .map((r) => r - from);
  if (cmp.wants('image_predictor_logits')) cmp.close('image_predictor_logits', said.scores('picture rows scores'));
  same(cmp, 'image_keep_index', picture);
  same(
    cmp,
    'image_keep_mask',
    Array.from({ length: to - from }, (_, i) => (picture.includes(i) ? 1 : 0)),
  );
  if (cmp.wants('instruct_predictor_logits')) cmp.close('instruct_predictor_logits', said.scores('question rows scores'));
  same(cmp, 'sparse_position_ids', kept);
  same(cmp, 'kv_lengths_prefill', session.cacheRows);
  for (const name of cmp.expected.keys()) {
    const layer = /^kv_(key|value)_layer(\d+)_prefill$/.exec(name);
    if (!layer) continue;
    const i = Number(layer[2]);
    const kv = readKv(m.engine, m.model.decoder.caches[i]!, session.cacheRows[i]!);
    cmp.close(name, layer[1] === 'key' ? kv.k : kv.v);
  }
}

/** Greedy tokens with a cache, over one or two turns. */
async function answer(m: OpenModel, c: GoldenCase, inputs: Tensors, cmp: Comparison): Promise<void> {
  const p = c.params as unknown as Params;
  const first = (c.greedy as { token_ids: number[] } | undefined)?.token_ids;
  if (!first) return;
  const prompt = splice(integers(inputs, 'input_ids'), inputs.has('image_0') ? await encodePictures(m, inputs, cmp) : []);
  const session = new Session(m.programs, m.model.decoder);
  const [logits, lengths, keep, scores] = [[] as Float32Array[], [] as number[], [] as number[], [] as Float32Array[]];
  const keepSeen: LoadedTensor | undefined = cmp.expected.get('text_keep');
  const wanted = keepSeen ? integers(cmp.expected, 'text_keep') : undefined;
  const sparse = m.model.decoder.groups[1]?.from ?? 0;

  const record = (l: Float32Array) => {
    logits.push(l);
    lengths.push(...session.cacheRows);
    return best(l);
  };
  const turn = async (start: Float32Array, want: readonly number[]) => {
    const ids = [record(start)];
    // The prefill and a later question decide no single token: the file has -1 or 2 there.
    if (wanted) keep.push(wanted[keep.length]!);
    scores.push(new Float32Array(2));
    while (ids.length < want.length) {
      const before = session.cacheRows[sparse]!;
      const l = await session.step(ids.at(-1)!);
      const z = (await decisions(m, 'decode')).scores('token scores');
      scores.push(z.length ? z : new Float32Array(2));
      keep.push(z.length ? session.cacheRows[sparse]! - before : (wanted?.[keep.length] ?? 0));
      ids.push(record(l));
    }
    assertSame('greedy', ids, want);
    return ids;
  };

  const ids = await turn((await session.prefill(prompt)).logits, first);
  if (p.turn2_token_ids) {
    const before = session.length;
    const later = [...integers(inputs, 'turn2_ids')];
    const { logits: start, reused } = await session.prefill([...prompt, ...ids.slice(0, -1), ...later]);
    assertSame('rows in the cache', [reused], [before]);
    const said = await decisions(m, 'prefill');
    if (cmp.wants('turn2_instruct_logits')) {
      // The last row of a question is not asked: it stays.
      const asked = said.scores('entering rows scores');
      const want = cmp.expected.get('turn2_instruct_logits')!.data as Float32Array;
      cmp.close('turn2_instruct_logits', concat([asked, want.subarray(asked.length)]));
      const entered = said.kept(later.length, 'entering rows');
      same(
        cmp,
        'turn2_keep',
        Array.from(later, (_, i) => (entered.includes(i) ? 1 : 0)),
      );
    }
    await turn(start, p.turn2_token_ids);
  }
  cmp.close('step_logits', concat(logits));
  same(cmp, 'kv_lengths', lengths);
  same(cmp, 'text_keep', keep);
  if (cmp.wants('text_predictor_logits')) cmp.close('text_predictor_logits', concat(scores));
}

/** Greedy tokens without a cache: the rows of every step. */
async function recomputed(m: OpenModel, c: GoldenCase, inputs: Tensors, cmp: Comparison): Promise<void> {
  const p = c.params as unknown as Params & { readonly answer_index: number };
  const want = (c.greedy as { token_ids: number[] }).token_ids;
  const prompt = splice(integers(inputs, 'input_ids'), await encodePictures(m, inputs, cmp));
  const session = new Session(m.programs, m.model.decoder);
  const said = await decisions(m, 'prefill');
  const width = cmp.expected.get('step_sparse_position_ids')!.shape[1]!;
  const [logits, ids, lengths, positions, counts] = [[] as Float32Array[], [] as number[], [] as number[], [] as number[], [] as number[]];
  let l = (await session.prefill(prompt)).logits;
  const rows = session.length;
  for (;;) {
    logits.push(l);
    ids.push(best(l));
    const kept = said.kept(session.length, ...STAGES);
    const generated = kept.filter((r) => r >= rows && r < session.length - 1).map((r) => r - rows);
    assertSame(`step ${ids.length - 1}: generated tokens that stay`, generated, p.kept_generated_offsets_per_step![ids.length - 1]!);
    lengths.push(kept.length);
    counts.push(generated.length);
    positions.push(...kept, ...new Array<number>(width - kept.length).fill(-1));
    if (ids.length === want.length) break;
    l = await session.step(ids.at(-1)!);
  }
  assertSame('greedy', ids, want);
  cmp.close('step_logits', concat(logits));
  same(cmp, 'step_sparse_len', lengths);
  same(cmp, 'step_keep_count', counts);
  same(cmp, 'step_sparse_position_ids', positions);
  if (cmp.wants('text_predictor_logits_last')) cmp.close('text_predictor_logits_last', said.scores('answered rows scores'));
}

const all: CaseRunner = {
  matches: (system) => system === 'dynamic-llava',
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const cmp = new Comparison(c, expected);
    const open = async (options: ModelOptions, body: (m: OpenModel) => Promise<void>) =>
      withModel(await openHubFolder(localFolder(dir)), options, body);
    const cached = (c.params as unknown as Params).use_cache !== false;
    await open({}, async (m) => {
      await prefill(m, c, inputs, cmp);
      if (cached) await answer(m, c, inputs, cmp);
    });
    if (!cached) await open({ sparse: { cache: false, compat: true } }, (m) => recomputed(m, c, inputs, cmp));
    cmp.finish();
  },
};

export const cases: readonly CaseRunner[] = [all];
