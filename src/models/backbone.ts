// What every language model gives, so that decoder, variants and goldens never ask which one it is.
//
// A family (llama.ts, qwen.ts, ...) reads its config and returns a Backbone. Variants change a model from outside by hooks:
// they drop rows before a layer, replace a layer's FFN, or work with its queries and keys.

import type { Graph } from '../graph/graph.ts';
import type { Kv } from '../graph/kv.ts';
import type { AttentionParams } from '../graph/ops/attention.ts';
import { gatherRows } from '../graph/ops/gatherRows.ts';
import type { Cell, Dim, Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { Engine, Program } from '../runtime/engine.ts';
import type { DecoderOptions } from './decoder.ts';
import type { Rotary } from './rotary.ts';

/** Sizes that all families have. */
export interface Shape {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Elements of a head. */
  readonly dim: number;
  /** Rows of the embedding table; the tokenizer may know fewer ids. */
  readonly vocabulary: number;
  /** Rows that the model was made for. */
  readonly context: number;
  /** A row sees only the last so many keys. */
  readonly window: number | undefined;
  readonly rotary: Rotary;
}

/** A language model's arithmetic. Every `w` is the root of its tensors unless said otherwise. */
export interface Backbone extends Shape {
  readonly family: string;
  /** Factor of the rotated queries at a position, from row `from` on (Qwen's log-n scaling); 1 before. */
  readonly queryScale?: { readonly from: number; at(position: number): number };
  /** Packed [vocabulary, hidden]. */
  embedding(w: Weights): Tensor;
  /** One layer: `site.stream.x` f32 [rows, hidden] -> f32 [rows, hidden]. */
  layer(g: Graph, w: Weights, site: Site): Tensor;
  /** The family's FFN with the weights at `w`, which stands at a layer's `mlp` or at an expert: ffn(h), plus `residual`. */
  ffn(g: Graph, w: Weights, h: Tensor, residual?: Tensor): Tensor;
  /** Final norm: f32 [rows, hidden] -> the same. */
  norm(g: Graph, w: Weights, x: Tensor): Tensor;
  /** f32 [rows, hidden] -> logits f32 [rows, vocabulary]. */
  head(g: Graph, w: Weights, x: Tensor): Tensor;
}

/** What flows from layer to layer. All tensors have one row per row of `x`. */
export interface Stream {
  readonly x: Tensor;
  /** cos and sin of the rows' positions: positions are data, so rows that stay when others are dropped keep theirs. */
  readonly rope: Tensor;
  /** f32 [rows, 1], where the backbone scales queries. */
  readonly queryScale?: Tensor;
  /** Rows in the caches of the layers to come before this chunk: a cell of its own for each group of layers. */
  readonly past: Dim;
}

/** Where a layer is built. */
export interface Site {
  readonly index: number;
  readonly stream: Stream;
  readonly cache: Kv;
  readonly hooks: Hooks;
}

/** One layer's attention, about to happen: k and v are not in the cache yet. */
export interface Attend {
  /** f32 [rows, heads * dim], rotated; may be a window, as k and v. */
  readonly q: Tensor;
  /** f32 [rows, kvHeads * dim], rotated. */
  readonly k: Tensor;
  readonly v: Tensor;
  readonly cache: Kv;
  readonly params: AttentionParams;
}

/** Layers whose caches have one length, when a variant keeps fewer rows in some. */
export interface CacheGroup {
  /** Rows in these caches before a run: set by the session. */
  readonly past: Cell;
  /** Rows that a run has added: written by the run. Absent: all rows of the chunk. */
  readonly added?: Cell;
  /** The group's first layer; it reaches to the next group. Default 0. */
  readonly from?: number;
  /** Rows that a run adds at most; default: the chunk's. */
  most?(run: Run): number;
}

/** What a variant may know and write before a run. */
export interface Run {
  readonly engine: Engine;
  readonly program: Program;
  readonly kind: 'prefill' | 'decode' | 'score';
  /** Rows in the session before this chunk. */
  readonly past: number;
  /** The chunk's rows: a token id, or -1 and a row of a picture. */
  readonly rows: readonly { readonly id: number; readonly row?: number }[];
  /** Rows of the session when the whole prompt will be in: the same for every chunk of a prefill. */
  readonly total: number;
  /** All rows that the session will have when the prompt is in: those of earlier runs too. */
  readonly prompt: readonly { readonly id: number; readonly row?: number }[];
  /** Rows that the session had when this prompt began. */
  readonly start: number;
  /** Rows at the end of the prompt that are answered tokens, fed again (`Hooks.recompute`). */
  readonly generated: number;
  /** Share of a picture's rows that goes on, where the caller chose one. */
  readonly keepRate?: number;
}

/** How a variant changes a backbone. */
export interface Hooks {
  /** Before layer `i`: may return other rows (`keepRows`) with another cache length. */
  beforeLayer?(g: Graph, i: number, s: Stream): Stream;
  /** FFN of layer `i` in place of the dense one, or undefined: `w` stands where the dense one's weights would, `h` is normalised. Returns ffn(h) + residual. */
  ffn?(g: Graph, i: number, w: Weights, h: Tensor, residual: Tensor): Tensor | undefined;
  /** Attention of layer `i` in place of `cachedAttention` (block.ts), or around it; undefined: as usual. Returns f32 [rows, heads * dim]. */
  attend?(g: Graph, i: number, a: Attend): Tensor | undefined;
  /** Further groups of cache lengths, for streams whose `past` a hook has replaced. */
  readonly groups?: readonly CacheGroup[];
  /** A picture's rows must lie in one chunk: decisions are taken over all of them. */
  readonly wholePictures?: boolean;
  /** Each token of an answer runs the whole sequence again: the cache serves only within a run. */
  readonly recompute?: boolean;
  /** Experts of each layer, 0 for dense ones; their taps: see moe.ts. */
  readonly experts?: readonly number[];
  /** What a row gives depends on all rows of the prompt: a prefill is one run from the first row on. */
  readonly wholePrefill?: boolean;
  /** The share of a picture's rows that goes on may differ from prompt to prompt (`Run.keepRate`). */
  readonly takesKeepRate?: boolean;
  /** Writes the variant's own cells and inputs. */
  beforeRun?(run: Run): void;
  /** After a prefill: the chunk's rows that went on past the layer where picture rows are dropped. */
  kept?(engine: Engine, program: Program): Int32Array;
}

/** Hooks, or what gives them when sizes are known. */
export type HooksOf = Hooks | ((b: Backbone, options: DecoderOptions) => Hooks);

/** Both variants' changes, `a` first; where both replace the same, `a` does. */
export function bothHooks(a: Hooks, b: Hooks): Hooks {
  return {
    beforeLayer: (g, i, s) => {
      const t = a.beforeLayer?.(g, i, s) ?? s;
      return b.beforeLayer?.(g, i, t) ?? t;
    },
    ffn: (g, i, w, h, residual) => a.ffn?.(g, i, w, h, residual) ?? b.ffn?.(g, i, w, h, residual),
    attend: (g, i, x) => a.attend?.(g, i, x) ?? b.attend?.(g, i, x),
    groups: [...(a.groups ?? []), ...(b.groups ?? [])],
    wholePictures: (a.wholePictures || b.wholePictures) === true,
    recompute: (a.recompute || b.recompute) === true,
    ...((a.kept ?? b.kept) && { kept: (engine: Engine, program: Program) => (a.kept ?? b.kept)!(engine, program) }),
    ...((a.experts ?? b.experts) && { experts: (a.experts ?? b.experts)! }),
    wholePrefill: (a.wholePrefill || b.wholePrefill) === true,
    takesKeepRate: (a.takesKeepRate || b.takesKeepRate) === true,
    beforeRun: (run) => {
      a.beforeRun?.(run);
      b.beforeRun?.(run);
    },
  };
}

/** Builds all layers, with a border before each; each one's result is tapped as `lm_hidden_<i + 1>`. */
export function buildLayers(g: Graph, w: Weights, b: Backbone, caches: readonly Kv[], start: Stream, hooks: Hooks = {}): Stream {
  let s = start;
  for (let i = 0; i < b.layers; i++) {
    g.border(`layer ${i}`);
    s = g.section(`layer ${i}`, () => {
      const stream = hooks.beforeLayer?.(g, i, s) ?? s;
      return { ...stream, x: b.layer(g, w, { index: i, stream, cache: caches[i]!, hooks }) };
    });
    g.tap(`lm_hidden_${i + 1}`, s.x);
  }
  return s;
}

/** The stream with the rows that `index`, i32 [n, 1], names, in that order; layers from here on have `past` rows in their caches. */
export function keepRows(g: Graph, s: Stream, index: Tensor, past: Dim): Stream {
  const keep = (t: Tensor) => g.add(gatherRows, [t, index], {});
  return { x: keep(s.x), rope: keep(s.rope), ...(s.queryScale ? { queryScale: keep(s.queryScale) } : {}), past };
}
