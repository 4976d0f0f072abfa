// Picture rows dropped or merged without training.

import { join } from 'node:path';
import { type Piece, Session } from '../generate/session.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import type { Pruning } from '../models/pruning.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import { assertSame, type GoldenCase, integers, loadTensors, readCase } from './compare.ts';
import { best, Comparison, compareScore, concat, encodePictures, splice, type Tensors, withModel } from './endToEnd.ts';
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

export const cases: readonly CaseRunner[] = [fastvCases];
