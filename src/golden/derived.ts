// Systems that share LLaVA-1.5's architecture: ShareGPT4V, LLaVA-Rad, and Share-Captioner, which does not.

import { join } from 'node:path';
import { createSampler } from '../generate/sampler.ts';
import { type Piece, Session } from '../generate/session.ts';
import type { Config } from '../models/config.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import type { Checkpoint } from '../models/model.ts';
import { nodePlatform } from '../runtime/node.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import { addProduct } from '../runtime/products.ts';
import { assertSame, type GoldenCase, integers, loadTensors, readCase } from './compare.ts';
import { Comparison, compareScore, encodePictures, greedy, picture, standardCase, withModel } from './endToEnd.ts';
import type { CaseRunner } from './runner.ts';

const SYSTEM = 'llava-1.5-derived';

async function load(dir: string) {
  const [inputs, expected] = await Promise.all([
    loadTensors(join(dir, 'inputs.safetensors')),
    loadTensors(join(dir, 'expected.safetensors')),
  ]);
  return { c: readCase(dir), inputs, expected };
}

const shareGpt4v: CaseRunner = {
  matches: (system, name) => system === SYSTEM && name === 'sharegpt4v-pad',
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    await withModel(await openHubFolder(localFolder(dir)), {}, (m) => standardCase(m, c, inputs, expected));
  },
};

/** Weights do not show how many heads there are, and the tiny towers' widths are no known ones. */
function withHeads(checkpoint: Checkpoint, c: GoldenCase): Checkpoint {
  const heads = (c.params.vit as { num_heads: number }).num_heads;
  const vision = checkpoint.vision!;
  return { ...checkpoint, vision: { ...vision, config: vision.config.with({ num_attention_heads: heads }) } };
}

const llavaRad: CaseRunner = {
  matches: (system, name) => system === SYSTEM && name === 'llava-rad-lora',
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const open = async (change: (config: Config) => Config) => {
      const checkpoint = withHeads(
        await openHubFolder(localFolder(join(dir, 'base')), { adapter: localFolder(dir), addProduct: addProduct(nodePlatform) }),
        c,
      );
      return { ...checkpoint, config: change(checkpoint.config) };
    };
    // The last block's output is no part of the model: the tower is run once more for it alone.
    const last = 'vision_hidden_4';
    await withModel(await open((config) => config.with({ mm_vision_select_layer: -1 })), {}, async ({ model, programs, engine }) => {
      await model.encoder!.encode(programs, picture(inputs, 'image_0'), {
        keep: [last],
        visit: (program) => new Comparison(c, expected).close(last, engine.read(program, last)),
      });
    });
    const rest = new Map([...expected].filter(([name]) => name !== last));
    await withModel(await open((config) => config), {}, (m) => standardCase(m, c, inputs, rest));
  },
};

/** The picture stands between two texts; the reference counts a placeholder 1 as generated, so that the penalty meets it. */
const shareCaptioner: CaseRunner = {
  matches: (system, name) => system === SYSTEM && name === 'share-captioner',
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const opened = withHeads(await openHubFolder(localFolder(dir), { addProduct: addProduct(nodePlatform) }), c);
    const { heads } = c.params.qformer as { heads: number };
    await withModel({ ...opened, config: opened.config.with({ qformer_heads: heads }) }, {}, async (m) => {
      const cmp = new Comparison(c, expected);
      const [image] = await encodePictures(m, inputs, cmp);
      cmp.close('image_embeds', image!.features);
      const prompt: Piece[] = [...integers(inputs, 'seg1_ids'), image!, ...integers(inputs, 'seg2_ids')];
      await compareScore(
        m,
        prompt,
        cmp,
        new Map([
          ['inputs_embeds', 'inputs_embeds'],
          ['logits', 'logits'],
        ]),
      );
      const want = c.greedy as { token_ids: number[] };
      const { ids, logits } = await greedy(new Session(m.programs, m.model.decoder), prompt, want.token_ids.length);
      cmp.close('step_logits', logits);
      assertSame('greedy', ids, want.token_ids);
      const { token_ids } = c.params['greedy_with_repetition_penalty_1.5'] as { token_ids: number[] };
      const sampler = createSampler({ repetitionPenalty: 1.5 });
      const session = new Session(m.programs, m.model.decoder);
      let next = (await session.prefill(prompt)).logits;
      const penalised: number[] = [];
      while (penalised.length < token_ids.length) {
        penalised.push(sampler.next(next, [1, ...penalised]));
        if (penalised.length < token_ids.length) next = await session.step(penalised.at(-1)!);
      }
      assertSame('greedy with penalty', penalised, token_ids);
      cmp.finish();
    });
  },
};

export const cases: readonly CaseRunner[] = [shareGpt4v, llavaRad, shareCaptioner];
