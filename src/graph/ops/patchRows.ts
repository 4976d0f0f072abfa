import { OP_PATCH_ROWS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, ROWS } from '../../../assembly/program.ts';
import { ShapeError } from '../../errors.ts';
import { needF32 } from '../families/rows.ts';
import { contiguous } from '../graph.ts';
import type { Op } from '../op.ts';
import { maxSize, show } from '../tensor.ts';

export interface PatchParams {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly patch: number;
}

/**
 * Non-overlapping patches as rows: pixels f32 [channels * height, width] -> [(height/patch) * (width/patch), channels * patch²].
 * The order inside a row, [c][ky][kx], is that of a flattened convolution weight, so that a convolution of stride `patch` becomes a matmul.
 */
export const patchRows: Op<PatchParams> = {
  name: 'patchRows',
  opcode: OP_PATCH_ROWS,

  outputs([pixels], { channels, height, width, patch }) {
    needF32('patchRows', pixels!);
    contiguous('patchRows', pixels!);
    if (maxSize(pixels!.shape) !== channels * height * width) {
      throw new ShapeError(`patchRows: pixels must be [${channels} * ${height}, ${width}]: got ${show(pixels!)}`);
    }
    if (patch < 1 || height % patch || width % patch) {
      throw new ShapeError(`patchRows: sides must be multiples of the patch: got ${height} x ${width} for ${patch}`);
    }
    return [{ dtype: 'f32', shape: [(height / patch) * (width / patch), channels * patch * patch] }];
  },

  cost: (_, { channels, height, width }) => ({ macs: 0, bytes: 8 * channels * height * width }),

  encode(r, _, { channels, height, width, patch }) {
    r.dim(ROWS, (height / patch) * (width / patch));
    r.int(COLS, width);
    r.int(P0, channels);
    r.int(P1, height);
    r.int(P2, patch);
  },
};
