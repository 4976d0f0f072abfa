// A language model as programs: token ids and image rows in, logits out.
//
//   ids        i32 [rows, 1]        token ids; -1 where the row is taken from `hidden`
//   positions  i32 [rows, 1]
//   hidden     f32 [rows, hidden]   image rows
//   logits     f32 [1 or rows, vocabulary]; next: i32 [1 or rows, 1] its argmax
//
// `prefill` takes up to a chunk of rows and gives logits of the last; `score` of all rows; `decode` takes one row.

import { fixedTensor, Graph, newCell } from '../graph/graph.ts';
import { type Kv, type KvType, pagedKv } from '../graph/kv.ts';
import { argmax } from '../graph/ops/argmax.ts';
import { embed } from '../graph/ops/embed.ts';
import { gatherRows } from '../graph/ops/gatherRows.ts';
import { lastRow } from '../graph/ops/lastRow.ts';
import { ropeTable } from '../graph/ops/ropeTable.ts';
import type { Cell, Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import { type Backbone, buildLayers, type CacheGroup, type Hooks } from './backbone.ts';

export type DecoderProgram = 'prefill' | 'decode' | 'score';

export interface DecoderOptions {
  /** Rows that the caches hold at most. */
  readonly context: number;
  /** Rows of a prefill chunk at most. */
  readonly chunk: number;
  readonly cacheType: KvType;
}

/** A tensor that programs read and the host writes when it changes. */
export interface HostTable {
  readonly tensor: Tensor;
  readonly values: Float32Array;
}

/** The language half of a model: a backbone, what variants do to it, state shared by its programs, and a graph for each program. */
export class Decoder {
  readonly backbone: Backbone;
  readonly options: DecoderOptions;
  readonly hooks: Hooks;
  /** Rows of this chunk. */
  readonly rows: Cell;
  /** Layers of equal cache length; the first group's `past` is every layer's unless a hook says otherwise. */
  readonly groups: readonly [CacheGroup, ...CacheGroup[]];
  readonly caches: readonly Kv[];
  readonly #weights: Weights;
  readonly #frequencies: Tensor;
  /** f32 [context, 1] by position, where the backbone scales queries that this context can reach. */
  readonly #queryScale: Tensor | undefined;

  constructor(weights: Weights, backbone: Backbone, options: DecoderOptions, hooks: Hooks = {}) {
    this.backbone = backbone;
    this.options = options;
    this.hooks = hooks;
    this.#weights = weights;
    this.rows = newCell('rows', options.chunk);
    this.groups = [{ past: newCell('past', options.context) }, ...(hooks.groups ?? [])];
    this.caches = Array.from({ length: backbone.layers }, (_, i) =>
      pagedKv(`layer ${i}`, options.cacheType, backbone.kvHeads, options.context, backbone.dim),
    );
    this.#frequencies = fixedTensor('inverse frequencies', 'f32', [backbone.rotary.dims / 2]);
    const scaled = backbone.queryScale !== undefined && options.context > backbone.queryScale.from;
    this.#queryScale = scaled ? fixedTensor('query scale', 'f32', [options.context, 1]) : undefined;
  }

  /** Do some layers see fewer rows than others? */
  get dropsRows(): boolean {
    return this.groups.length > 1;
  }

  /** The group of layer `i`. */
  group(i: number): CacheGroup {
    return this.groups.findLast((g) => (g.from ?? 0) <= i)!;
  }

  /** Rows in the caches of most layers before this chunk. */
  get past(): Cell {
    return this.groups[0].past;
  }

  /** Sequences of another regime turn their keys otherwise: their caches cannot be shared. */
  regime(rows: number): number {
    return this.backbone.rotary.regime?.(rows) ?? 0;
  }

  /** What the host must write before the first run of a sequence that is prefilled with so many rows. */
  async tables(rows: number): Promise<HostTable[]> {
    const { rotary, queryScale } = this.backbone;
    let values = rotary.frequencies(rows);
    if (rotary.divisors !== undefined) {
      const divisors = await this.#weights.values(rotary.divisors, values.length);
      values = values.map((f, j) => f / divisors[j]!);
    }
    const tables = [{ tensor: this.#frequencies, values }];
    if (this.#queryScale)
      tables.push({ tensor: this.#queryScale, values: Float32Array.from({ length: this.options.context }, (_, i) => queryScale!.at(i)) });
    return tables;
  }

  graph(kind: DecoderProgram): Graph {
    const b = this.backbone;
    const w = this.#weights;
    const g = new Graph(kind);
    const n = kind === 'decode' ? 1 : this.rows;
    const ids = g.input('ids', 'i32', [n, 1]);
    const positions = g.input('positions', 'i32', [n, 1]);
    const hidden = g.input('hidden', 'f32', [n, b.hidden]);

    const x = g.tap('inputs_embeds', g.add(embed, [ids, b.embedding(w), hidden], {}));
    const rope = g.add(ropeTable, [positions, this.#frequencies], { scale: b.rotary.divisor, attention: b.rotary.attention });
    const queryScale = this.#queryScale && { queryScale: g.add(gatherRows, [this.#queryScale, positions], {}) };
    const out = buildLayers(g, w, b, this.caches, { x, rope, ...queryScale, past: this.past }, this.hooks);

    g.border('head');
    return g.section('head', () => {
      const rows = kind === 'prefill' ? g.add(lastRow, [out.x], {}) : out.x;
      const normed = g.tap('lm_final_norm', b.norm(g, w, rows));
      const logits = g.output('logits', b.head(g, w, normed));
      g.output('next', g.add(argmax, [logits], {}));
      return g;
    });
  }
}
