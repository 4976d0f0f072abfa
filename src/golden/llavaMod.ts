// LLaVA-MoD: sparse students, and what distillation measures.

import { join } from 'node:path';
import { conversation } from '../chat/conversations.ts';
import { parsePrompt } from '../chat/imagePrompt.ts';
import { labelledIds } from '../chat/labels.ts';
import { distance, divergence, dpo, IGNORED, type Logits, tokenLogProbs } from '../generate/score.ts';
import { Session } from '../generate/session.ts';
import { concat } from '../models/concat.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import { loadTokenizer } from '../tokenizer/load.ts';
import { assertSame, integers, loadTensors, readCase } from './compare.ts';
import { Comparison, picture, splice, type Tensors, withModel } from './endToEnd.ts';
import { compareRouters, modelCase, openCase, openConverted, routedLayers, routerTaps } from './moeCase.ts';
import type { CaseRunner } from './runner.ts';

const models: CaseRunner = {
  matches: (system, name) => system === 'llava-mod' && /^qwen/.test(name),
  async run(dir) {
    await modelCase(dir);
    await modelCase(dir, openConverted);
  },
};

interface LabelCase {
  readonly turns: readonly (readonly [who: 'human' | 'gpt', text: string])[];
  readonly ids: readonly number[];
  readonly labels: readonly number[];
}

const labels: CaseRunner = {
  matches: (system, name) => system === 'llava-mod' && name === 'score-labels',
  async run(dir) {
    const { params } = readCase(dir);
    const tokenizer = await loadTokenizer(localFolder(join(dir, params.tokenizer as string)));
    for (const [i, c] of (params.cases as LabelCase[]).entries()) {
      const turns = c.turns.map(([who, text]) => ({
        role: who === 'human' ? ('user' as const) : ('assistant' as const),
        content: parsePrompt(text),
      }));
      const got = labelledIds(tokenizer, conversation(params.template as string), turns);
      assertSame(`case ${i}: ids`, got.ids, c.ids);
      assertSame(`case ${i}: labels`, got.labels, c.labels);
    }
  },
};

const ANSWERS = ['chosen', 'rejected'] as const;

const pair: CaseRunner = {
  matches: (system, name) => system === 'llava-mod' && name === 'score-pair',
  async run(dir) {
    const c = readCase(dir);
    const inputs = await loadTensors(join(dir, 'inputs.safetensors'));
    const cmp = new Comparison(c, await loadTensors(join(dir, 'expected.safetensors')));
    const policy = await scoreBoth(dir, dir, 'policy', inputs, cmp);
    const reference = await scoreBoth(dir, join(dir, 'teacher'), 'reference', inputs, cmp);
    for (const answer of ANSWERS) {
      const expanded = expandedLabels(inputs, answer, policy[answer].data.length / policy[answer].vocabulary);
      assertSame(`${answer}.labels_expanded`, expanded, integers(cmp.expected, `${answer}.labels_expanded`));
      cmp.seen.add(`${answer}.labels_expanded`);
      const d = divergence(policy[answer], reference[answer]);
      const one = (name: string, value: number) => cmp.close(`${answer}.${name}`, Float32Array.of(value));
      cmp.close(`${answer}.kl_ts`, Float32Array.from(d.klTeacherStudent));
      cmp.close(`${answer}.kl_st`, Float32Array.from(d.klStudentTeacher));
      cmp.close(`${answer}.cross_entropy`, Float32Array.from(d.crossEntropy));
      cmp.close(`${answer}.teacher_entropy`, Float32Array.from(d.teacherEntropy));
      const ids = [...integers(inputs, `${answer}.input_ids`)];
      const apart = distance({ ...policy[answer], ids, labels: expanded }, { ...reference[answer], ids, labels: expanded });
      one('align_loss.response', apart.alignLoss);
      one('align_loss.all', apart.alignLossAll);
      one('kl_ts.mean_next_token', apart.klTeacherStudent);
    }
    const sums = (model: typeof policy) => ({ chosen: model.chosen.sum, rejected: model.rejected.sum });
    const p = dpo(sums(policy), sums(reference), c.params.beta as number, c.params.label_smoothing as number);
    cmp.close('dpo.reward.chosen', Float32Array.of(p.rewardChosen));
    cmp.close('dpo.reward.rejected', Float32Array.of(p.rewardRejected));
    cmp.close('dpo.margin', Float32Array.of(p.margin));
    for (const loss of ['sigmoid', 'hinge', 'ipo'] as const) cmp.close(`dpo.loss.${loss}`, Float32Array.of(p.loss[loss]));
    cmp.close('dpo.loss.kto_pair', Float32Array.from(p.loss.ktoPair));
    cmp.finish();
  },
};

/** A label a row: none for the rows of a picture. */
function expandedLabels(inputs: Tensors, answer: string, rows: number): number[] {
  const own = [...integers(inputs, `${answer}.labels`)];
  const at = integers(inputs, `${answer}.input_ids`).indexOf(-200);
  return own.toSpliced(at, 1, ...new Array<number>(rows - own.length + 1).fill(IGNORED));
}

interface Scored extends Logits {
  readonly sum: number;
}

async function scoreBoth(
  dir: string,
  folder: string,
  who: string,
  inputs: Tensors,
  cmp: Comparison,
): Promise<Record<(typeof ANSWERS)[number], Scored>> {
  return withModel(await openCase(dir, folder), {}, async (m) => {
    const image = { ...(await m.model.encoder!.encode(m.programs, picture(inputs, 'image'))), key: 'image' };
    const score = async (answer: string): Promise<Scored> => {
      const layers = who === 'policy' ? routedLayers(cmp.expected, `${answer}.router`) : [];
      const parts: Float32Array[] = [];
      const prompt = splice(integers(inputs, `${answer}.input_ids`), [image]);
      const rows = await new Session(m.programs, m.model.decoder).score(
        prompt,
        (program) => {
          parts.push(m.engine.read(program, 'logits'));
          compareRouters(cmp, m.engine, program, layers, `${answer}.router`);
        },
        { keep: routerTaps(layers) },
      );
      const logits = { data: concat(parts), vocabulary: m.model.decoder.backbone.vocabulary };
      cmp.close(`${who}.${answer}.logits`, logits.data);
      const each = tokenLogProbs(logits, expandedLabels(inputs, answer, rows));
      const sum = each.reduce((a, b) => a + b, 0);
      cmp.close(`${who}.${answer}.token_logps`, Float32Array.from(each));
      cmp.close(`${who}.${answer}.logp_sum`, Float32Array.of(sum));
      return { ...logits, sum };
    };
    return { chosen: await score('chosen'), rejected: await score('rejected') };
  });
}

export const cases: readonly CaseRunner[] = [models, labels, pair];
