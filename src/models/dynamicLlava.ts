// Dynamic-LLaVA (Huang et al. 2024): LLaVA-1.5 whose layers from `sparse_layer` on see fewer rows.
//
//   prefill            the picture's best rows stay (image predictor); with the instruct predictor also only some of the question's
//   decode             a token attends to the cache and itself, and enters the later layers' caches if its predictor says so
//   decode, no cache   every token runs the whole sequence; of the answered tokens as many stay as the predictor says
//
// Rows keep their positions. All decisions are taken inside the run.

import { InputError, UnsupportedError } from '../errors.ts';
import { type Graph, newCell } from '../graph/graph.ts';
import { gatherRows } from '../graph/ops/gatherRows.ts';
import { kvWrite } from '../graph/ops/kvWrite.ts';
import { selectRows } from '../graph/ops/selectRows.ts';
import { type Cell, rowsOf, type Tensor } from '../graph/tensor.ts';
import { Weights } from '../graph/weights.ts';
import type { Engine, Program } from '../runtime/engine.ts';
import { type Backbone, type Hooks, keepRows, type Run, type Stream } from './backbone.ts';
import { cachedAttention } from './block.ts';
import type { Config } from './config.ts';
import type { DecoderOptions } from './decoder.ts';
import { type PredictorSizes, pictureScores, textScores } from './dynamicPredictors.ts';
import { openDecoder, openSingleTile, openTower, PICTURE_CHUNK, singleTile, tileSettings } from './llava15.ts';
import type { ModelDefinition, SparseOptions } from './model.ts';

/** "USER:" in LLaMA's vocabulary: where the last question begins. */
const QUESTION = [11889, 29901];

export const dynamicLlava: ModelDefinition = {
  name: 'dynamic-llava',
  open(checkpoint, options) {
    const sparse = sparseConfig(checkpoint.config, options.sparse);
    if (!(sparse.picture || sparse.output || sparse.instruct))
      return openSingleTile('dynamic-llava', checkpoint, options, options.sparse?.cache === false ? { recompute: true } : {});
    if (options.prune)
      throw new UnsupportedError(
        `prune: ${options.prune.method}: does not meet Dynamic-LLaVA, which has been trained to drop rows itself: switch that off by sparse: { keepRate: 1, text: false }`,
      );
    const weights = Weights.over(checkpoint.files, options);
    const decoder = openDecoder(weights, checkpoint.config, { chunk: PICTURE_CHUNK, ...options }, (b, sizes) =>
      sparsified(weights.at('model'), b, sizes, sparse, options.sparse ?? {}),
    );
    const { vision } = checkpoint;
    const encoder = vision && { encoder: singleTile(openTower(weights, checkpoint), tileSettings(checkpoint, options)) };
    return { name: 'dynamic-llava', weights: [weights], decoder, ...encoder };
  },
};

interface SparseConfig extends PredictorSizes {
  /** First layer that sees fewer rows. */
  readonly layer: number;
  readonly keepRate: number;
  readonly picture: boolean;
  readonly output: boolean;
  readonly instruct: boolean;
}

function sparseConfig(config: Config, { keepRate, text: dropsText = true }: SparseOptions = {}): SparseConfig {
  const c = config.object('sparse_config') ?? config.with({});
  if (keepRate !== undefined && !(keepRate >= 0 && keepRate <= 1))
    throw new InputError(`sparse: keepRate must be a share from 0 to 1: got ${keepRate}`);
  const text = dropsText && c.bool('use_text_predictor', true);
  return {
    layer: c.size('sparse_layer', 2),
    keepRate: keepRate ?? c.number('vision_keep_rate', 0.2),
    picture: keepRate !== 1 && c.bool('use_vision_predictor', true),
    output: text && c.bool('use_output_text_predictor', true),
    instruct: text && c.bool('use_instruct_predictor', true),
    model: c.size('d_model', 512),
    heads: c.size('nhead', 8),
    feedForward: c.size('dim_feedforward', 2048),
    blocks: c.size('num_layers', 2),
  };
}

/** Rows that a stage decides about, written by the host, and what is left after it, written by the run. */
interface Stage {
  readonly name: string;
  readonly count: Cell;
  readonly kept: Cell;
}

type Select = { readonly how: 'best'; readonly k: Cell } | { readonly how: 'larger' } | { readonly how: 'as many'; readonly again: Cell };

function sparsified(w: Weights, b: Backbone, sizes: DecoderOptions, c: SparseConfig, how: SparseOptions): Hooks {
  const { cache = true, compat = false } = how;
  if (c.layer >= b.layers) throw new InputError(`sparse_layer: must be 1 to ${b.layers - 1}: got ${c.layer}`);
  const [past, added] = [newCell('past of sparse layers', sizes.context), newCell('rows added', sizes.chunk + 1)];
  const [staying, again] = [newCell('staying picture rows', sizes.chunk), newCell('last row again', 1)];
  const stage = (name: string, most = sizes.chunk + 1): Stage => ({
    name,
    count: newCell(name, sizes.chunk),
    kept: newCell(`${name} kept`, most),
  });
  const all = {
    picture: c.picture && stage('picture rows', sizes.chunk),
    answered: !cache && c.output && stage('answered rows'),
    question: c.instruct && stage('question rows'),
    entering: c.instruct && stage('entering rows'),
  };
  // What is left after the last stage enters the caches.
  const last = [all.entering, all.question, all.answered, all.picture].find((s) => s);
  const entered: WeakMap<Graph, Tensor> = new WeakMap();

  const scored = (g: Graph, x: Tensor, s: Stage, score: (x: Tensor) => Tensor, select: Select): Tensor => {
    const at = g.input(s.name, 'i32', [s.count, 1]);
    const z = g.output(`${s.name} scores`, score(g.add(gatherRows, [x, at], {})));
    const kept = s === last ? added : s.kept;
    return g.output(`${s.name} kept`, g.add(selectRows, [z, at], { rows: rowsOf(x.shape), kept, ...select }));
  };
  const text = (g: Graph, name: string) => (x: Tensor) => textScores(g, w.at(name), c.model, x);

  /** Picture rows of a chunk that do not stay. */
  const dropped = ({ rows, keepRate = c.keepRate }: Run): number => {
    const n = rows.filter((r) => r.row !== undefined).length;
    return c.picture ? n - Math.trunc(n * keepRate) : 0;
  };

  /** A token always goes on; whether it enters the caches is asked here. */
  function decide(g: Graph, s: Stream): Stream {
    if (c.output) {
      const z = g.output('token scores', text(g, 'output_text_score_predictor')(s.x));
      g.addAll(selectRows, [z], { rows: 1, how: 'larger', kept: added });
    }
    return { ...s, past };
  }

  function prune(g: Graph, start: Stream): Stream {
    let s: Stream = { ...start, past };
    const drop = (stage: Stage | false, score: (x: Tensor) => Tensor, select: Select) => {
      if (stage) s = keepRows(g, s, scored(g, s.x, stage, score, select), past);
    };
    drop(all.picture, (x) => pictureScores(g, w.at('image_score_predictor'), c, x), { how: 'best', k: staying });
    drop(all.answered, text(g, 'output_text_score_predictor'), { how: 'as many', again });
    drop(all.question, text(g, 'instruct_score_predictor'), { how: 'larger' });
    g.tap('sparse_in_hidden', s.x);
    if (all.entering) entered.set(g, scored(g, s.x, all.entering, text(g, 'instruct_score_predictor'), { how: 'larger' }));
    return s;
  }

  return {
    groups: [{ past, added, from: c.layer, most: (run) => run.rows.length - dropped(run) + (compat ? 1 : 0) }],
    wholePictures: c.picture,
    recompute: !cache,
    takesKeepRate: c.picture,
    beforeLayer: (g, i, s) => (i !== c.layer ? s : g.name === 'decode' ? decide(g, s) : prune(g, s)),

    attend(g, i, a) {
      const index = i >= c.layer ? entered.get(g) : undefined;
      if (!index) return undefined;
      // All rows of a later question take part; then those that stay move together.
      const attended = cachedAttention(g, a);
      const keep = (x: Tensor) => g.add(gatherRows, [x, index], {});
      g.addAll(kvWrite, [keep(a.k), keep(a.v), a.cache.k, a.cache.v], { heads: a.params.kvHeads, dim: a.params.dim, at: past });
      return attended;
    },

    ...(c.picture && { kept: (engine: Engine, program: Program) => engine.readInts(program, 'picture rows kept') }),

    beforeRun(run) {
      const { engine, program } = run;
      engine.setCell(added, run.rows.length);
      if (run.kind === 'decode') return;
      const places = rowsToDecide(run, c.picture);
      const drops = dropped(run);
      engine.setCell(staying, places.picture.length - drops);
      engine.setCell(again, compat && places.firstStep ? 1 : 0);
      for (const [key, s] of Object.entries(all) as [keyof typeof all, Stage | false][]) {
        if (!s) continue;
        const shift = key === 'picture' ? 0 : drops;
        engine.setCell(s.count, places[key].length);
        engine.write(
          program,
          s.name,
          Int32Array.from(places[key], (r) => r - shift),
        );
      }
    },
  };
}

/** Rows of a chunk, counted before any is dropped. All but the picture's come after it, where it is in the chunk. */
interface Places {
  readonly picture: readonly number[];
  readonly answered: readonly number[];
  readonly question: readonly number[];
  readonly entering: readonly number[];
  /** Nothing has been answered yet, and the prompt has a picture and ends here. */
  readonly firstStep: boolean;
}

function rowsToDecide({ rows, prompt, past, start, generated }: Run, one: boolean): Places {
  const pictures = prompt.flatMap((r, i) => (r.row === 0 ? [i] : []));
  if (one && pictures.length > 1) throw new InputError(`Dynamic-LLaVA: takes one picture in a conversation: got ${pictures.length}`);
  const end = prompt.length - generated;
  const after = prompt.findLastIndex((r) => r.row !== undefined) + 1;
  /** Those of from..to that this chunk has. */
  const here = (from: number, to: number) => {
    const first = Math.max(from, past);
    return Array.from({ length: Math.max(0, Math.min(to, past + rows.length) - first) }, (_, i) => first + i - past);
  };
  const ids = prompt.slice(0, end).map((r) => r.id);
  const question = ids.findLastIndex((id, i) => i >= after && id === QUESTION[0] && ids[i + 1] === QUESTION[1]);
  const first = after > start;
  return {
    picture: rows.flatMap((r, i) => (r.row === undefined ? [] : [i])),
    answered: after > 0 ? here(end, prompt.length - 1) : [],
    question: first ? here(question < 0 ? after : question, end - 1) : [],
    entering: !first && start > 0 ? here(start, end - 1) : [],
    firstStep: after > 0 && generated === 0 && past + rows.length === prompt.length,
  };
}
