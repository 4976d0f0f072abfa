import { OP_QUANTIZE_BLOCKS } from '../../../assembly/opcodes.ts';
import { COLS, P0, P1, P2, P3, ROWS } from '../../../assembly/program.ts';
import * as storage from '../../../assembly/storage.ts';
import { ShapeError } from '../../errors.ts';
import { BLOCKS, type StorageType } from '../../formats/tensors.ts';
import type { Op } from '../op.ts';
import { colsOf, rowsOf, show } from '../tensor.ts';

const NUMBERS: Partial<Record<StorageType, number>> = {
  q4_0: storage.PACKED_Q4,
  q4_1: storage.PACKED_Q4_1,
  q5_0: storage.PACKED_Q5_0,
  q5_1: storage.PACKED_Q5_1,
  iq4_nl: storage.PACKED_IQ4_NL,
  iq4_xs: storage.PACKED_IQ4_XS,
  q2_k: storage.PACKED_Q2_K,
  q3_k: storage.PACKED_Q3_K,
  q4_k: storage.PACKED_Q4_K,
  q5_k: storage.PACKED_Q5_K,
  q6_k: storage.PACKED_Q6_K,
};

/** Is a search needed to store in this type? Q4_0, Q4_1, Q5_0 and Q5_1 without importance have a formula. */
export const needsSearch = (type: StorageType, weighted: boolean): boolean =>
  type in NUMBERS && (weighted || BLOCKS[type].values === 256 || type === 'iq4_nl');

export interface QuantizeBlocksParams {
  readonly type: StorageType;
  /** IQ4_NL without a search, as the reference writes rows of a cache. */
  readonly quick?: boolean;
}

/** Rows in a block type, as files hold them: x f32 [rows, cols], and importance f32 [1, cols] where errors do not count alike -> u8 [rows, bytes]. */
export const quantizeBlocks: Op<QuantizeBlocksParams> = {
  name: 'quantizeBlocks',
  opcode: OP_QUANTIZE_BLOCKS,

  outputs([x, importance], { type }) {
    const cols = colsOf(x!.shape);
    if (!needsSearch(type, importance !== undefined))
      throw new ShapeError(`quantizeBlocks: got ${type}, a type with searched scales is expected`);
    if (x!.dtype !== 'f32' || x!.stride !== cols || cols % BLOCKS[type].values !== 0)
      throw new ShapeError(`quantizeBlocks: needs whole f32 rows of a multiple of ${BLOCKS[type].values}: got ${show(x!)}`);
    if (importance && (importance.dtype !== 'f32' || colsOf(importance.shape) !== cols))
      throw new ShapeError(`quantizeBlocks: needs an f32 weight for each column: got ${show(importance)} for ${show(x!)}`);
    return [{ dtype: 'u8', shape: [...x!.shape.slice(0, -1), (cols / BLOCKS[type].values) * BLOCKS[type].bytes] }];
  },

  cost([x], { type }, size) {
    const cells = size(rowsOf(x!.shape)) * colsOf(x!.shape);
    return { macs: 0, bytes: cells * (4 + BLOCKS[type].bytes / BLOCKS[type].values) };
  },

  // assembly/families/search/groups.ts
  scratch: () => 3552 + 2048 + 512,

  encode(r, [x, importance], { type, quick = false }) {
    const cols = colsOf(x!.shape);
    r.dim(ROWS, rowsOf(x!.shape));
    r.int(COLS, cols);
    r.int(P0, NUMBERS[type]!);
    r.int(P1, importance ? 1 : 0);
    r.int(P2, (cols / BLOCKS[type].values) * BLOCKS[type].bytes);
    r.int(P3, quick ? 1 : 0);
  },
};
