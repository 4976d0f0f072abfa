// LLaVA-1.5 and its containers.

import { join } from 'node:path';
import { openSafetensors } from '../formats/safetensors.ts';
import { beamSearch } from '../generate/beam.ts';
import { type Piece, Session } from '../generate/session.ts';
import { Graph } from '../graph/graph.ts';
import { readKv } from '../graph/kv.ts';
import { Weights } from '../graph/weights.ts';
import { concat } from '../models/concat.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import { projector } from '../models/projector.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { fileSource, localFolder } from '../runtime/nodeFiles.ts';
import { Programs } from '../runtime/programs.ts';
import { assertClose, assertSame, floats, integers, loadTensors, readCase } from './compare.ts';
import { Comparison, encodePictures, greedy, splice, standardCase, withModel } from './endToEnd.ts';
import type { CaseRunner } from './runner.ts';

const STANDARD = [
  'original-pad',
  'original-split-tower',
  'mistral-gqa',
  'hf-llava',
  'hf-llava-next',
  'anyres-unpad-wide',
  'anyres-unpad-two-images',
];

async function load(dir: string) {
  const [inputs, expected] = await Promise.all([
    loadTensors(join(dir, 'inputs.safetensors')),
    loadTensors(join(dir, 'expected.safetensors')),
  ]);
  return { c: readCase(dir), inputs, expected };
}

const standard: CaseRunner = {
  matches: (system, name) => system === 'llava-1.5' && STANDARD.includes(name),
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    await withModel(await openHubFolder(localFolder(dir)), {}, (m) => standardCase(m, c, inputs, expected));
  },
};

interface Turn {
  readonly prompt_ids: readonly number[];
  readonly generated_ids: readonly number[];
  readonly cache_len_after: number;
}

/** Three turns over one cache: a turn computes only what is new. */
const multiTurn: CaseRunner = {
  matches: (system, name) => system === 'llava-1.5' && name === 'multi-turn-kv',
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    await withModel(await openHubFolder(localFolder(dir)), {}, async (m) => {
      const cmp = new Comparison(c, expected);
      const images = await encodePictures(m, inputs, cmp);
      const session = new Session(m.programs, m.model.decoder);
      const next = { image: 0 };
      let history: Piece[] = [];
      for (const [i, turn] of (c.params.turns as Turn[]).entries()) {
        history = [...history, ...splice(turn.prompt_ids, images, next)];
        const parts: Float32Array[] = [];
        await session.score(history, (program) => parts.push(m.engine.read(program, 'logits')), { reuse: true });
        cmp.close(`turn${i}_logits_incremental`, concat(parts));
        session.truncate(0);
        cmp.close(`turn${i}_logits_last_scratch`, (await session.prefill(history)).logits);
        const { ids } = await greedy(session, history, turn.generated_ids.length);
        assertSame(`turn ${i}`, ids, turn.generated_ids);
        await session.step(ids.at(-1)!);
        assertSame(`turn ${i}: rows in the cache`, [session.length], [turn.cache_len_after]);
        const kv = readKv(m.engine, m.model.decoder.caches[0]!, session.length);
        cmp.close(`turn${i}_cache_k_layer0`, kv.k);
        cmp.close(`turn${i}_cache_v_layer0`, kv.v);
        // The reference appends </s> by hand: it enters the cache with the next turn.
        history = [...history, ...ids, 2];
      }
      cmp.finish();
    });
  },
};

const projectors: CaseRunner = {
  matches: (system, name) => system === 'llava-1.5' && name === 'projectors',
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const files = await openSafetensors(fileSource(join(dir, 'model.safetensors')));
    const weights = Weights.over(files);
    const engine = await Engine.create(nodePlatform, { threads: 0 });
    const programs = new Programs(engine, [weights]);
    const from = c.params.mm_hidden_size as number;
    const to = c.params.hidden_size as number;
    const features = floats(inputs, 'features');
    const rows = features.length / from;
    for (const name of expected.keys()) {
      const build = () => {
        const g = new Graph(name);
        g.output('y', projector(g, weights.at(`${name}/model.mm_projector`), name, g.input('x', 'f32', [rows, from]), from, to));
        return g;
      };
      if (name === 'identity') {
        assertClose(name, features, floats(expected, name), c.tolerance[name]!);
        continue;
      }
      const program = await programs.get(name, build);
      engine.write(program, 'x', features);
      engine.runNow(program);
      assertClose(name, engine.read(program, 'y'), floats(expected, name), c.tolerance[name]!);
    }
    await engine.dispose();
    await files.close();
  },
};

interface BeamParams {
  readonly num_beams: number;
  readonly length_penalty: number;
  readonly early_stopping: boolean;
  readonly max_new_tokens: number;
  readonly eos_token_id?: number;
  readonly pad_token_id?: number;
  /** Each begins with a placeholder and is padded behind its end. */
  readonly sequences: readonly (readonly number[])[];
}

const beams: CaseRunner = {
  matches: (system, name) => system === 'llava-1.5' && name.startsWith('beam-search'),
  async run(dir) {
    const { c, inputs, expected } = await load(dir);
    const p = c.params as unknown as BeamParams;
    // Over every kind of cache: a copy that goes wrong shows in the second step.
    for (const cacheType of ['kv-f32', 'kv-f16', 'kv-q8'] as const) {
      await withModel(await openHubFolder(localFolder(dir)), { cacheType }, async (m) => {
        const cmp = new Comparison(c, expected);
        const images = await encodePictures(m, inputs, cmp);
        const { hypotheses } = await beamSearch(new Session(m.programs, m.model.decoder), splice(integers(inputs, 'input_ids'), images), {
          numBeams: p.num_beams,
          lengthPenalty: p.length_penalty,
          earlyStopping: p.early_stopping,
          maxTokens: p.max_new_tokens,
          end: new Set(p.eos_token_id === undefined ? [] : [p.eos_token_id]),
        });
        if (cacheType === 'kv-q8') return;
        for (const [i, want] of p.sequences.entries()) {
          const length = hypotheses[i]!.ids.length;
          assertSame(`beam ${i}`, hypotheses[i]!.ids, want.slice(1, 1 + length));
          assertSame(`beam ${i}: padding`, want.slice(1 + length), new Array(want.length - 1 - length).fill(p.pad_token_id));
        }
        if (cacheType === 'kv-f32') {
          cmp.close(
            'sequences_scores',
            Float32Array.from(hypotheses, (h) => h.score),
          );
          cmp.finish();
        }
      });
    }
  },
};

export const cases: readonly CaseRunner[] = [standard, multiTurn, projectors, beams];
