import type { BlockType } from '../src/graph/tensor.ts';
import { PACKED_BLOCKS } from '../src/graph/tensor.ts';
import type { Case } from './harness.ts';
import { matmulCases } from './matmul.ts';

export const cases: readonly Case[] = (Object.keys(PACKED_BLOCKS) as BlockType[]).flatMap(matmulCases);
