// Systems that share LLaVA-1.5's architecture: ShareGPT4V, LLaVA-Rad.

import { join } from 'node:path';
import type { Config } from '../models/config.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import type { Checkpoint } from '../models/model.ts';
import { localFolder } from '../runtime/nodeFiles.ts';
import { type GoldenCase, loadTensors, readCase } from './compare.ts';
import { Comparison, picture, standardCase, withModel } from './endToEnd.ts';
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
      const checkpoint = withHeads(await openHubFolder(localFolder(join(dir, 'base')), { adapter: localFolder(dir) }), c);
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

export const cases: readonly CaseRunner[] = [shareGpt4v, llavaRad];
