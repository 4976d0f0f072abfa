// A language model as programs: token ids and image rows in, logits out.
//
//   ids        i32 [rows, 1]        token ids; -1 where the row is taken from `hidden`
//   positions  i32 [rows, 1]
//   hidden     f32 [rows, hidden]   image rows
//   logits     f32 [1 or rows, vocabulary]; next: i32 [1 or rows, 1] its argmax
//
// `prefill` takes up to a chunk of rows and gives logits of the last; `score` of all rows; `decode` takes one row.

import { fixedTensor, Graph, newCell } from '../graph/graph.ts';
import { fixedKv, type Kv, type KvType } from '../graph/kv.ts';
import { linear } from '../graph/linear.ts';
import { argmax } from '../graph/ops/argmax.ts';
import { embed } from '../graph/ops/embed.ts';
import { lastRow } from '../graph/ops/lastRow.ts';
import { rmsNorm } from '../graph/ops/rmsNorm.ts';
import { ropeTable } from '../graph/ops/ropeTable.ts';
import type { Cell, Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { type LlamaConfig, type LlamaHooks, llamaLayers } from './llama.ts';

export type DecoderProgram = 'prefill' | 'decode' | 'score';

export interface DecoderOptions {
  /** Rows that the cache holds. */
  readonly context: number;
  /** Rows of a prefill chunk at most. */
  readonly chunk: number;
  readonly cacheType: KvType;
}

/** The language half of a model: config, state shared by its programs, and a graph for each program. */
export class Decoder {
  readonly config: LlamaConfig;
  readonly options: DecoderOptions;
  /** Rows in the caches before this chunk. */
  readonly past: Cell;
  /** Rows of this chunk. */
  readonly rows: Cell;
  readonly caches: readonly Kv[];
  readonly inverseFrequencies: Tensor;
  readonly #weights: Weights;
  readonly #hooks: LlamaHooks;

  constructor(weights: Weights, config: LlamaConfig, options: DecoderOptions, hooks: LlamaHooks = {}) {
    this.config = config;
    this.options = options;
    this.#weights = weights;
    this.#hooks = hooks;
    this.past = newCell('past', options.context);
    this.rows = newCell('rows', options.chunk);
    this.caches = Array.from({ length: config.layers }, (_, i) => fixedKv(`layer ${i}`, options.cacheType, config.kvHeads, options.context, config.dim));
    this.inverseFrequencies = fixedTensor('inverse frequencies', 'f32', [config.dim / 2]);
  }

  /** theta^(-2i/dim), as float32. */
  frequencies(): Float32Array {
    const { theta, dim } = this.config;
    return Float32Array.from({ length: dim / 2 }, (_, i) => 1 / Math.fround(theta ** ((2 * i) / dim)));
  }

  graph(kind: DecoderProgram): Graph {
    const c = this.config;
    const w = this.#weights;
    const g = new Graph(kind);
    const n = kind === 'decode' ? 1 : this.rows;
    const ids = g.input('ids', 'i32', [n, 1]);
    const positions = g.input('positions', 'i32', [n, 1]);
    const hidden = g.input('hidden', 'f32', [n, c.hidden]);

    const table = w.matrix('model.embed_tokens.weight', [c.vocabulary, c.hidden]);
    const x = g.tap('inputs_embeds', g.add(embed, [ids, table, hidden], {}));
    const rope = g.add(ropeTable, [positions, this.inverseFrequencies], { scale: c.ropeFactor });
    const out = llamaLayers(g, w.at('model'), c, this.caches, { x, rope, past: this.past }, this.#hooks);

    return g.section('head', () => {
      const rows = kind === 'prefill' ? g.add(lastRow, [out.x], {}) : out.x;
      const normed = g.tap('lm_final_norm', g.add(rmsNorm, [rows, w.plain('model.norm.weight', [c.hidden])], { eps: c.eps }));
      const head = w.has('lm_head.weight') ? w.matrix('lm_head.weight', [c.vocabulary, c.hidden]) : table;
      const logits = g.output('logits', linear(g, normed, head));
      g.output('next', g.add(argmax, [logits], {}));
      return g;
    });
  }
}
