// FastV (Chen et al. 2024, "An Image is Worth 1/2 Tokens After Layer 2"): the last row's attention at layer k - 1, averaged over heads,
// ranks the picture's rows; from layer k on the lower part is gone. Rows that stay keep their positions.
//
// With a cache the decision is taken once, in the chunk that holds the picture, by that chunk's last row. Without, at every token.

import { InputError } from '../errors.ts';
import { type Graph, newCell, reshape } from '../graph/graph.ts';
import { attentionRow } from '../graph/ops/attentionRow.ts';
import { gatherRows } from '../graph/ops/gatherRows.ts';
import { lastRow } from '../graph/ops/lastRow.ts';
import { meanRows } from '../graph/ops/meanRows.ts';
import { selectRows } from '../graph/ops/selectRows.ts';
import { maxSize, rowsOf, type Tensor } from '../graph/tensor.ts';
import { type Backbone, type Hooks, keepRows, type Run } from './backbone.ts';
import { cachedAttention } from './block.ts';
import type { DecoderOptions } from './decoder.ts';
import { fastvKeeps, type Pruning } from './pruning.ts';

export function fastv(b: Backbone, { context, chunk }: DecoderOptions, options: Extract<Pruning, { method: 'fastv' }>): Hooks {
  const { k = 2, r = 0.5, keep, cache = true } = options;
  if (!Number.isInteger(k) || k < 1 || k >= b.layers)
    throw new InputError(`prune: fastv: k must be a layer from 1 to ${b.layers - 1}: got ${k}`);
  if (!(r >= 0 && r <= 1)) throw new InputError(`prune: fastv: r must be a share from 0 to 1: got ${r}`);
  if (keep !== undefined && (!Number.isInteger(keep) || keep < 0))
    throw new InputError(`prune: fastv: keep must be a number of rows: got ${keep}`);
  const past = newCell('past of pruned layers', context);
  const kept = newCell('kept rows', chunk);
  const candidates = newCell('picture rows', chunk);
  const staying = newCell('staying picture rows', chunk);
  const keys = newCell('keys', context);
  const scores: WeakMap<Graph, Tensor> = new WeakMap();

  const keeps = (n: number, { keepRate }: Run) =>
    fastvKeeps(n, keepRate === undefined ? { r, ...(keep !== undefined && { keep }) } : { r: 1 - keepRate });
  const dropped = (run: Run) => {
    const n = run.rows.filter((row) => row.row !== undefined).length;
    return n - keeps(n, run);
  };

  return {
    groups: [{ past, added: kept, from: k, most: (run) => run.rows.length - dropped(run) }],
    wholePictures: true,
    recompute: !cache,
    takesKeepRate: true,

    attend(g, i, a) {
      if (i !== k - 1 || g.name === 'decode') return undefined;
      const attended = cachedAttention(g, a);
      const { heads, kvHeads, dim, scale } = a.params;
      const weights = g.add(attentionRow, [g.add(lastRow, [a.q], {}), a.cache.k], { heads, kvHeads, dim, scale, keys });
      const mean = g.add(meanRows, [weights], {});
      const at = g.input('picture keys', 'i32', [candidates, 1]);
      scores.set(g, g.tap('attn_image_scores', g.add(gatherRows, [reshape(mean, [maxSize(mean.shape), 1]), at], {})));
      return attended;
    },

    beforeLayer(g, i, s) {
      if (i !== k) return s;
      if (g.name === 'decode') return { ...s, past };
      const rows = rowsOf(s.x.shape);
      const list = g.input('picture rows', 'i32', [candidates, 1]);
      const index = g.add(selectRows, [scores.get(g)!, list], { rows, how: 'best', k: staying, kept });
      const pruned = keepRows(g, s, g.output('kept rows', index), past);
      g.tap('sparse_in_hidden', pruned.x);
      return pruned;
    },

    kept: (engine, program) => engine.readInts(program, 'kept rows'),

    beforeRun(run) {
      const { engine, program, kind, past: before, rows } = run;
      engine.setCell(kept, rows.length);
      if (kind === 'decode') return;
      const pictures = rows.flatMap((row, j) => (row.row === undefined ? [] : [j]));
      engine.setCell(keys, before + rows.length);
      engine.setCell(candidates, pictures.length);
      engine.setCell(staying, keeps(pictures.length, run));
      engine.write(program, 'picture rows', Int32Array.from(pictures));
      engine.write(
        program,
        'picture keys',
        Int32Array.from(pictures, (j) => before + j),
      );
    },
  };
}
