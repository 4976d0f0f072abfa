import { matmulF16 } from '../src/graph/ops/matmulF16.ts';
import { testMatmul } from './matmul.ts';

await testMatmul({ op: matmulF16, dtype: 'packed-f16', from: 'f16', quantized: false, ks: [1, 3, 32, 77] });
