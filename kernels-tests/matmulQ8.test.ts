import { matmulQ8 } from '../src/graph/ops/matmulQ8.ts';
import { testMatmul } from './matmul.ts';

await testMatmul({ op: matmulQ8, dtype: 'packed-q8', from: 'q8_0', quantized: true, ks: [32, 64, 96, 160] });
