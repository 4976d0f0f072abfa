// Mixtures of experts in place of FFNs: MoE-LLaVA (Lin et al. 2024) and LLaVA-MoD (Shu et al. 2024), over any backbone.
//
//   g = softmax(h wgᵀ),  y = sum over the chosen experts e of weight_e * ffn_e(h)
//   residual mixtures (Rajbhandari et al. 2022):  y <- c0 * y + c1 * ffn(h),  c = softmax(h coefficientᵀ + bias)
//
// The rows of one expert are one matrix: gathered, multiplied by weights that are read once, and added to where they came from.

import { InputError, UnsupportedError } from '../errors.ts';
import { columns, type Graph, newCell } from '../graph/graph.ts';
import { add } from '../graph/ops/add.ts';
import { gatherRows } from '../graph/ops/gatherRows.ts';
import { MAX_EXPERTS, route } from '../graph/ops/route.ts';
import { scaleRows } from '../graph/ops/scaleRows.ts';
import { scatterAddRows } from '../graph/ops/scatterAddRows.ts';
import { softmax } from '../graph/ops/softmax.ts';
import { type Cell, type Dim, maxOf, rowsOf, type Tensor } from '../graph/tensor.ts';
import type { Weights } from '../graph/weights.ts';
import type { Backbone, Hooks, Run } from './backbone.ts';
import { affine } from './block.ts';
import type { Config } from './config.ts';
import { openSingleTile } from './llava15.ts';
import type { ModelDefinition } from './model.ts';
import { type RouterNoise, seededNoise } from './routerNoise.ts';

/** The `moe` object of a config. */
export interface MoeConfig {
  /** Experts of each layer; 0: a dense one. */
  readonly experts: readonly number[];
  /** Experts of a row. */
  readonly k: number;
  /** An expert takes at most k * factor / experts of all rows, but not less than `least`. */
  readonly factor: number;
  readonly least: number;
  /** A dense FFN beside the experts. */
  readonly residual: boolean;
}

export const moe: ModelDefinition = {
  name: 'moe-llava',
  open(checkpoint, options) {
    const m = withActive(moeConfig(checkpoint.config), options.activeExperts);
    const noise = typeof options.routerNoise === 'number' ? seededNoise(options.routerNoise, m.k) : options.routerNoise;
    return openSingleTile('moe-llava', checkpoint, options, (b) => moeHooks(m, b, noise));
  },
};

/** Another number of experts for each row than the checkpoint says; what a row may not lose with its own number it does not lose with this one. */
function withActive(m: MoeConfig, k: number | undefined): MoeConfig {
  if (k === undefined) return m;
  const least = Math.min(...m.experts.filter((n) => n > 0));
  if (!Number.isInteger(k) || k < 1 || k > least)
    throw new InputError(`activeExperts: got ${k}, expected 1 to ${least}: the smallest layer has ${least} experts`);
  return { ...m, k, factor: drops(m) ? m.factor : Math.max(...m.experts) };
}

/** Reads and checks the `moe` object. Keys of training are ignored. */
export function moeConfig(config: Config): MoeConfig {
  const c = config.object('moe')!;
  const count = config.size('num_hidden_layers');
  const layers = c.numbers('moe_layers_idx') ?? [];
  const each = c.numbers('num_experts') ?? [c.number('num_experts')];
  const k = c.number('top_k_experts', 2);
  const bad = (key: string, got: unknown, expected: string) => new UnsupportedError(`${c.where}: ${key}: got ${got}, expected ${expected}`);
  if (!layers.length || layers.some((i) => !Number.isInteger(i) || i < 0 || i >= count))
    throw bad('moe_layers_idx', `[${layers}]`, `layers of 0..${count - 1}`);
  if (k !== 1 && k !== 2) throw bad('top_k_experts', k, '1 or 2');
  if (each.length !== 1 && each.length !== layers.length)
    throw bad('num_experts', `[${each}]`, `a number for each of ${layers.length} layers`);
  const experts = new Array<number>(count).fill(0);
  for (const [n, i] of layers.entries()) {
    const of = each[each.length === 1 ? 0 : n]!;
    if (!Number.isInteger(of) || of < k || of > MAX_EXPERTS) throw bad('num_experts', of, `${k} (top_k_experts) to ${MAX_EXPERTS}`);
    experts[i] = of;
  }
  if (c.number('ep_size', 1) !== 1) throw bad('ep_size', c.number('ep_size'), '1');
  const least = c.number('min_capacity', 4);
  if (!Number.isInteger(least) || least < 0) throw bad('min_capacity', least, 'a whole number');
  return { experts, k, factor: c.number('eval_capacity_factor', 1), least, residual: c.bool('use_residual', false) };
}

/** Can a row lose a choice? An expert is chosen at most once a row: never when each may take all rows. */
const drops = (m: MoeConfig): boolean => m.experts.some((n) => n > 0 && m.k * m.factor < n);

/** The FFNs of a backbone as mixtures. Taps of layer i: `router_logits_i`, `router_weights_i`, `router_choices_i`, `router_load_i` (see graph/ops/route.ts), `moe_out_i`. */
export function moeHooks(m: MoeConfig, b: Pick<Backbone, 'ffn'>, noise?: RouterNoise): Hooks {
  const total = newCell('rows of the sequence', 2 ** 31 - 1);
  return {
    experts: m.experts,
    // The slots of second choices begin where all first ones end: nothing is known before the last row is in.
    wholePrefill: drops(m),
    ffn(g, i, w, h, residual) {
      const experts = m.experts[i]!;
      if (!experts) return undefined;
      return g.section('experts', () => {
        const numbers = noise && g.input(noiseInput(i), 'f32', [rowsOf(h.shape), experts]);
        const routed = gate(g, w.at('deepspeed_moe.gate'), i, experts, { ...m, total }, h, numbers);
        const mixed = mixture(g, w.at('deepspeed_moe.experts.deepspeed_experts'), b, routed, h);
        const y = g.tap(`moe_out_${i}`, m.residual ? besideDense(g, w, b, h, mixed) : mixed);
        return g.add(add, [y, residual], {});
      });
    },
    beforeRun(run) {
      // A step of decoding is a sequence of its own.
      run.engine.setCell(total, run.kind === 'decode' ? 1 : run.total);
      if (noise) writeNoise(run, m, noise);
    },
  };
}

const noiseInput = (layer: number): string => `router noise ${layer}`;

/** What a gate says: the rows of each expert as i32 [cell, 1], and the weights f32 [rows, experts]. */
interface Routed {
  readonly lists: readonly Tensor[];
  readonly weights: Tensor;
}

/** Routes the rows of h; `w` stands at `wg`. `noise`: f32 [rows, experts]. */
export function gate(
  g: Graph,
  w: Weights,
  layer: number,
  experts: number,
  rules: { readonly k: number; readonly factor: number; readonly least: number; readonly total: Dim },
  h: Tensor,
  noise?: Tensor,
): Routed {
  const rows = rowsOf(h.shape);
  const room = maxOf(rows);
  const logits = g.tap(`router_logits_${layer}`, affine(g, w.at('wg'), h, experts));
  const inputs = [logits, g.add(softmax, [logits], { scale: 1 }), ...(noise ? [noise] : [])];
  const counts = Array.from({ length: experts }, (_, e): Cell => newCell(`layer ${layer} expert ${e} rows`, room));
  const { k, factor, least, total } = rules;
  const [all, weights, choices, load] = g.addAll(route, inputs, { k, factor, least, total, counts }) as [Tensor, Tensor, Tensor, Tensor];
  g.tap(`router_weights_${layer}`, weights);
  g.tap(`router_choices_${layer}`, choices);
  g.tap(`router_load_${layer}`, load);
  const lists = counts.map((n, e) => ({ ...all, name: `${all.name} of ${e}`, shape: [n, 1], offset: all.offset + 4 * e * room }));
  return { lists, weights };
}

/** h f32 [rows, hidden] -> the weighted sum of the experts' results, expert by expert; `w` stands at the experts. */
function mixture(g: Graph, w: Weights, b: Pick<Backbone, 'ffn'>, { lists, weights }: Routed, h: Tensor): Tensor {
  let y: Tensor | undefined;
  for (const [e, list] of lists.entries()) {
    const out = b.ffn(g, w.at(e), g.add(gatherRows, [h, list], {}));
    y = g.add(scatterAddRows, [y ?? h, out, list, columns(weights, e, 1)], { start: y ? 'input' : 'zeros' });
  }
  return y!;
}

/** c0 * mixed + c1 * ffn(h). */
function besideDense(g: Graph, w: Weights, b: Pick<Backbone, 'ffn'>, h: Tensor, mixed: Tensor): Tensor {
  const c = g.add(softmax, [affine(g, w.at('coefficient'), h, 2)], { scale: 1 });
  const part = (x: Tensor, column: number) => g.add(scaleRows, [x, columns(c, column, 1)], {});
  return g.add(add, [part(mixed, 0), part(b.ffn(g, w.at('mlp'), h), 1)], {});
}

function writeNoise({ engine, program, kind, past, rows }: Run, m: MoeConfig, noise: RouterNoise): void {
  for (const [layer, experts] of m.experts.entries()) {
    if (experts) engine.write(program, noiseInput(layer), noise({ kind, layer, past, rows: rows.length, experts }));
  }
}
