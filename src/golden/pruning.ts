// Picture rows dropped or merged without training.

import { join } from 'node:path';
import { type Piece, Session } from '../generate/session.ts';
import { Graph } from '../graph/graph.ts';
import { plan } from '../graph/plan.ts';
import type { Tensor } from '../graph/tensor.ts';
import { concat } from '../models/concat.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import type { Pruning } from '../models/pruning.ts';
import { mergeRows } from '../models/tome.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import { assertSame, floats, type GoldenCase, integers, loadTensors, readCase } from './compare.ts';
import { best, Comparison, compareScore, encodePictures, picture, splice, type Tensors, withModel } from './endToEnd.ts';
import type { CaseRunner } from './runner.ts';

export async function load(dir: string): Promise<{ c: GoldenCase; inputs: Tensors; expected: Tensors }> {
  const [inputs, expected] = await Promise.all([
    loadTensors(join(dir, 'inputs.safetensors')),
    loadTensors(join(dir, 'expected.safetensors')),
  ]);
  return { c: readCase(dir), inputs, expected };
}

/** Compares integers that a case may have. */
export function same(cmp: Comparison, name: string, got: ArrayLike<number>): void {
  if (!cmp.wants(name)) return;
  cmp.seen.add(name);
  assertSame(name, got, integers(cmp.expected, name));
}

/** Greedy tokens; `visit` sees the session after each forward. */
export async function steps(session: Session, prompt: readonly Piece[], want: readonly number[], visit: () => void): Promise<Float32Array> {
  let { logits } = await session.prefill(prompt);
  const all: Float32Array[] = [];
  const ids: number[] = [];
  for (;;) {
    visit();
    all.push(logits);
    ids.push(best(logits));
    if (ids.length === want.length) break;
    logits = await session.step(ids.at(-1)!);
  }
  assertSame('greedy', ids, want);
  return concat(all);
}

interface FastvParams {
  readonly fastv_k: number;
  readonly fastv_r?: number;
  readonly attention_rank?: number;
  readonly image_token_start_index: number;
  readonly image_token_length: number;
  readonly use_cache: boolean;
}

const fastvCases: CaseRunner = {
  matches: (system, name) => system === 'token-pruning' && name.startsWith('fastv-'),
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const p = c.params as unknown as FastvParams;
    const cmp = new Comparison(c, expected);
    const from = p.image_token_start_index;
    const checkpoint = () => openHubFolder(localFolder(dir));
    const prune: Pruning = {
      method: 'fastv',
      k: p.fastv_k,
      cache: p.use_cache,
      ...(p.fastv_r !== undefined && { r: p.fastv_r }),
      ...(p.attention_rank !== undefined && { keep: p.attention_rank }),
    };
    await withModel(await checkpoint(), {}, async (m) => {
      const images = await encodePictures(m, inputs, cmp);
      const names = new Map([
        ['inputs_embeds', 'inputs_embeds'],
        ['logits', 'plain_logits'],
      ]);
      await compareScore(m, splice(integers(inputs, 'input_ids'), images), cmp, names);
    });
    await withModel(await checkpoint(), { prune }, async (m) => {
      const prompt = splice(integers(inputs, 'input_ids'), await encodePictures(m, inputs, cmp));
      const program = await m.programs.get('prefill', () => m.model.decoder.graph('prefill'));
      const kept = () => m.engine.readInts(program, 'kept rows');
      const inPicture = (rows: Int32Array) => rows.map((r) => r - from).filter((r) => r >= 0 && r < p.image_token_length);
      const taps = new Map(['attn_image_scores', 'sparse_in_hidden', 'logits'].map((n) => [n, n]));
      taps.set(`lm_hidden_${p.fastv_k}`, 'lm_hidden_k');
      await compareScore(m, prompt, cmp, new Map([...taps].filter(([, n]) => expected.has(n))));

      const session = new Session(m.programs, m.model.decoder);
      await session.prefill(prompt);
      same(cmp, 'keep_index', inPicture(kept()));
      same(cmp, 'sparse_position_ids', kept());
      session.truncate(0);
      const lengths: number[] = [];
      const keptSets: Int32Array[] = [];
      const logits = await steps(session, prompt, (c.greedy as { token_ids: number[] }).token_ids, () => {
        lengths.push(...session.cacheRows);
        keptSets.push(kept());
      });
      cmp.close('step_logits', logits);
      same(cmp, 'kv_lengths', lengths);
      same(
        cmp,
        'step_keep_index',
        keptSets.flatMap((rows) => [...inPicture(rows)]),
      );
    });
    cmp.finish();
  },
};

/** What the methods' taps are called in the cases. */
const TAPS = ['tower_hidden', 'cls_attention', 'metric', 'k', 'cls_attn_merged', 'prune_ratio', 'vision_features'];

interface TowerParams {
  readonly method: 'visionzip' | 'prumerge' | 'prumerge-plus';
  readonly dominant?: number;
  readonly contextual?: number;
  readonly neighbours?: number;
}

const towerCases: CaseRunner = {
  matches: (system, name) => system === 'token-pruning' && /^(visionzip|prumerge)/.test(name),
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const cmp = new Comparison(c, expected);
    const p = c.params as unknown as TowerParams;
    const zip = { dominant: p.dominant ?? 0, contextual: p.contextual ?? 0 };
    const prune: Pruning = p.method === 'visionzip' ? { method: p.method, ...zip } : { method: p.method, neighbours: p.neighbours ?? 0 };
    await withModel(await openHubFolder(localFolder(dir)), { prune }, async (m) => {
      const floatTaps = TAPS.filter((t) => expected.has(t));
      const keep = [...floatTaps, 'class query', 'select_index', 'dominant rows', 'clusters'];
      const rows = await m.model.encoder!.encode(m.programs, picture(inputs, 'image_0'), {
        keep,
        visit(program, pixels) {
          cmp.close('pixel_values', pixels);
          const ints = (name: string) => m.engine.readInts(program, name);
          for (const t of floatTaps) cmp.close(t, m.engine.read(program, t));
          if (cmp.wants('q')) {
            // Only the class row's query is computed.
            const q = m.engine.read(program, 'class query');
            cmp.close('q', concat([q, floats(expected, 'q').subarray(q.length)]));
            same(cmp, 'select_index', ints('select_index'));
          } else {
            const chosen = ints('dominant rows');
            const scores = m.engine.read(program, 'cls_attention');
            const clusters = [...ints('clusters')];
            same(cmp, 'dominant_sorted', chosen);
            same(cmp, 'dominant_index', [0, ...[...chosen.subarray(1)].sort((a, b) => scores[b - 1]! - scores[a - 1]!)]);
            same(
              cmp,
              'contextual_target',
              [...clusters.keys()].filter((i) => clusters[i] === -1),
            );
            same(
              cmp,
              'assign',
              clusters.filter((i) => i !== -1),
            );
          }
        },
      });
      cmp.close('projected', rows.features);
      const prompt = splice(integers(inputs, 'input_ids'), [{ ...rows, key: 'image_0' }]);
      // PruMerge's cases have the logits of the last row only.
      const all = expected.get('logits')!.shape[1] !== 1;
      const names = ['inputs_embeds', ...(all ? ['logits'] : [])];
      await compareScore(m, prompt, cmp, new Map(names.map((n) => [n, n])));
      const session = new Session(m.programs, m.model.decoder);
      if (!all) cmp.close('logits', (await session.prefill(prompt)).logits);
      cmp.close('step_logits', await steps(session, prompt, (c.greedy as { token_ids: number[] }).token_ids, () => {}));
    });
    cmp.finish();
  },
};

const tomeCases: CaseRunner = {
  matches: (system, name) => system === 'token-pruning' && name.startsWith('tome-'),
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const cmp = new Comparison(c, expected);
    const { r, class_token: ordered } = c.params as { readonly r: number; readonly class_token: boolean };
    const engine = await Engine.create(nodePlatform, { threads: 0 });
    const g = new Graph('tome');
    const given = ['x', 'metric_in', 'size_in'] as const;
    const [x, metric, sizes] = given.map((n) => g.input(n, 'f32', inputs.get(n)!.shape.slice(1))) as [Tensor, Tensor, Tensor];
    const merged = mergeRows(g, x, metric, sizes, { r, ordered })!;
    g.output('merged', merged.x);
    g.output('size_out', merged.sizes);
    g.output('order', merged.order);
    const program = engine.install(plan(g));
    for (const n of given) engine.write(program, n, floats(inputs, n));
    engine.runNow(program);
    cmp.close('merged', engine.read(program, 'merged'));
    cmp.close('size_out', engine.read(program, 'size_out'));
    const order = engine.readInts(program, 'order');
    same(cmp, 'unm_index', order.subarray(0, order.length - 2 * r));
    same(cmp, 'src_index', order.subarray(order.length - 2 * r, order.length - r));
    same(cmp, 'dst_index', order.subarray(order.length - r));
    await engine.dispose();
    cmp.finish();
  },
};

export const cases: readonly CaseRunner[] = [fastvCases, towerCases, tomeCases];
