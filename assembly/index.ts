// The walk over a program of a model (quantizers.ts: of other programs). Every thread calls run() with the same records; a kernel takes its own
// share of the rows.

import { meet } from './barrier.ts';
import { attention } from './kernels/attention/attention.ts';
import { attentionRow } from './kernels/attention/attentionRow.ts';
import { kvWrite } from './kernels/attention/kvWrite.ts';
import { rope } from './kernels/attention/rope.ts';
import { ropeTable } from './kernels/attention/ropeTable.ts';
import { headScores } from './kernels/compress/headScores.ts';
import { mixHeads } from './kernels/compress/mixHeads.ts';
import { sampleRows } from './kernels/compress/sampleRows.ts';
import { patchRows } from './kernels/conv/patchRows.ts';
import { add } from './kernels/elementwise/add.ts';
import { gelu } from './kernels/elementwise/gelu.ts';
import { geluQuick } from './kernels/elementwise/geluQuick.ts';
import { geluTanh } from './kernels/elementwise/geluTanh.ts';
import { geluTanhMul } from './kernels/elementwise/geluTanhMul.ts';
import { mul } from './kernels/elementwise/mul.ts';
import { scale } from './kernels/elementwise/scale.ts';
import { silu } from './kernels/elementwise/silu.ts';
import { siluMul } from './kernels/elementwise/siluMul.ts';
import { normalizePixels } from './kernels/image/normalizePixels.ts';
import { resizeHorizontal } from './kernels/image/resizeHorizontal.ts';
import { resizeVertical } from './kernels/image/resizeVertical.ts';
import { embed } from './kernels/matmul/embed.ts';
import { matmulBlocks } from './kernels/matmul/matmulBlocks.ts';
import { matmulF16 } from './kernels/matmul/matmulF16.ts';
import { matmulF32 } from './kernels/matmul/matmulF32.ts';
import { matmulQ4 } from './kernels/matmul/matmulQ4.ts';
import { matmulQ8 } from './kernels/matmul/matmulQ8.ts';
import { pack } from './kernels/matmul/pack.ts';
import { quantizeRows } from './kernels/matmul/quantizeRows.ts';
import { layerNorm } from './kernels/norm/layerNorm.ts';
import { rmsNorm } from './kernels/norm/rmsNorm.ts';
import { softmax } from './kernels/norm/softmax.ts';
import { clusterRows } from './kernels/prune/clusterRows.ts';
import { meanHeads } from './kernels/prune/meanHeads.ts';
import { mergeNeighbours } from './kernels/prune/mergeNeighbours.ts';
import { nearestRow } from './kernels/prune/nearestRow.ts';
import { selectOutliers } from './kernels/prune/selectOutliers.ts';
import { selectRows } from './kernels/prune/selectRows.ts';
import { tomeMerge } from './kernels/prune/tomeMerge.ts';
import { argmax } from './kernels/reduce/argmax.ts';
import { meanRows } from './kernels/reduce/meanRows.ts';
import { route } from './kernels/routing/route.ts';
import { scatterAddRows } from './kernels/routing/scatterAddRows.ts';
import { concatCols } from './kernels/rows/concatCols.ts';
import { concatRows } from './kernels/rows/concatRows.ts';
import { copy } from './kernels/rows/copy.ts';
import { gatherRows } from './kernels/rows/gatherRows.ts';
import { lastRow } from './kernels/rows/lastRow.ts';
import { scaleRows } from './kernels/rows/scaleRows.ts';
import * as op from './opcodes.ts';
import { OPCODE, RECORD_BYTES } from './program.ts';

/** Runs `count` records as thread `thread` of `threads`. Returns the number of records run: fewer than `count` when the host asked to stop. */
export function run(program: usize, count: i32, thread: i32, threads: i32): i32 {
  for (let i = 0; i < count; i++) {
    const record = program + <usize>i * RECORD_BYTES;
    switch (load<i32>(record, OPCODE)) {
      case op.OP_RMS_NORM:
        rmsNorm(record, thread, threads);
        break;
      case op.OP_LAYER_NORM:
        layerNorm(record, thread, threads);
        break;
      case op.OP_SOFTMAX:
        softmax(record, thread, threads);
        break;
      case op.OP_SILU:
        silu(record, thread, threads);
        break;
      case op.OP_GELU:
        gelu(record, thread, threads);
        break;
      case op.OP_GELU_TANH:
        geluTanh(record, thread, threads);
        break;
      case op.OP_GELU_QUICK:
        geluQuick(record, thread, threads);
        break;
      case op.OP_SILU_MUL:
        siluMul(record, thread, threads);
        break;
      case op.OP_GELU_TANH_MUL:
        geluTanhMul(record, thread, threads);
        break;
      case op.OP_ADD:
        add(record, thread, threads);
        break;
      case op.OP_MUL:
        mul(record, thread, threads);
        break;
      case op.OP_SCALE:
        scale(record, thread, threads);
        break;
      case op.OP_COPY:
        copy(record, thread, threads);
        break;
      case op.OP_CONCAT_ROWS:
        concatRows(record, thread, threads);
        break;
      case op.OP_CONCAT_COLS:
        concatCols(record, thread, threads);
        break;
      case op.OP_GATHER_ROWS:
        gatherRows(record, thread, threads);
        break;
      case op.OP_SCALE_ROWS:
        scaleRows(record, thread, threads);
        break;
      case op.OP_LAST_ROW:
        lastRow(record, thread, threads);
        break;
      case op.OP_PATCH_ROWS:
        patchRows(record, thread, threads);
        break;
      case op.OP_ARGMAX:
        argmax(record, thread, threads);
        break;
      case op.OP_RESIZE_HORIZONTAL:
        resizeHorizontal(record, thread, threads);
        break;
      case op.OP_RESIZE_VERTICAL:
        resizeVertical(record, thread, threads);
        break;
      case op.OP_NORMALIZE_PIXELS:
        normalizePixels(record, thread, threads);
        break;
      case op.OP_QUANTIZE_ROWS:
        quantizeRows(record, thread, threads);
        break;
      case op.OP_MATMUL_F32:
        matmulF32(record, thread, threads);
        break;
      case op.OP_MATMUL_F16:
        matmulF16(record, thread, threads);
        break;
      case op.OP_MATMUL_Q8:
        matmulQ8(record, thread, threads);
        break;
      case op.OP_MATMUL_Q4:
        matmulQ4(record, thread, threads);
        break;
      case op.OP_MATMUL_BLOCKS:
        matmulBlocks(record, thread, threads);
        break;
      case op.OP_PACK:
        pack(record, thread, threads);
        break;
      case op.OP_EMBED:
        embed(record, thread, threads);
        break;
      case op.OP_ROPE_TABLE:
        ropeTable(record, thread, threads);
        break;
      case op.OP_ROPE:
        rope(record, thread, threads);
        break;
      case op.OP_KV_WRITE:
        kvWrite(record, thread, threads);
        break;
      case op.OP_ATTENTION:
        attention(record, thread, threads);
        break;
      case op.OP_ATTENTION_ROW:
        attentionRow(record, thread, threads);
        break;
      case op.OP_MEAN_ROWS:
        meanRows(record, thread, threads);
        break;
      case op.OP_SAMPLE_ROWS:
        sampleRows(record, thread, threads);
        break;
      case op.OP_HEAD_SCORES:
        headScores(record, thread, threads);
        break;
      case op.OP_MIX_HEADS:
        mixHeads(record, thread, threads);
        break;
      case op.OP_SELECT_ROWS:
        selectRows(record, thread, threads);
        break;
      case op.OP_MEAN_HEADS:
        meanHeads(record, thread, threads);
        break;
      case op.OP_NEAREST_ROW:
        nearestRow(record, thread, threads);
        break;
      case op.OP_CLUSTER_ROWS:
        clusterRows(record, thread, threads);
        break;
      case op.OP_SELECT_OUTLIERS:
        selectOutliers(record, thread, threads);
        break;
      case op.OP_MERGE_NEIGHBOURS:
        mergeNeighbours(record, thread, threads);
        break;
      case op.OP_TOME_MERGE:
        tomeMerge(record, thread, threads);
        break;
      case op.OP_ROUTE:
        route(record, thread, threads);
        break;
      case op.OP_SCATTER_ADD_ROWS:
        scatterAddRows(record, thread, threads);
        break;
      default:
        unreachable();
    }
    if (!meet(record, threads)) return i + 1;
  }
  return count;
}
