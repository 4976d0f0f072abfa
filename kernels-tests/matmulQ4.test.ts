import { matmulQ4 } from '../src/graph/ops/matmulQ4.ts';
import { testMatmul } from './matmul.ts';

await testMatmul({ op: matmulQ4, dtype: 'packed-q4', from: 'q4_0', quantized: true, ks: [32, 64, 96, 160] });
