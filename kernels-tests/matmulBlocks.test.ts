import type { StorageType } from '../src/formats/tensors.ts';
import { type BlockType, PACKED_BLOCKS } from '../src/graph/tensor.ts';
import { testMatmul } from './matmul.ts';

for (const [dtype, { cols }] of Object.entries(PACKED_BLOCKS) as [BlockType, { cols: number }][]) {
  const from = dtype.slice('packed-'.length) as StorageType;
  await testMatmul({ dtype, from, ks: cols === 32 ? [32, 96, 1056] : [256, 1280] });
}
