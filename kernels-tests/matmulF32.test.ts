import { matmulF32 } from '../src/graph/ops/matmulF32.ts';
import { testMatmul } from './matmul.ts';

await testMatmul({ op: matmulF32, dtype: 'packed-f32', from: 'f32', quantized: false, ks: [1, 3, 32, 77] });
await testMatmul({ op: matmulF32, dtype: 'packed-f32', from: 'bf16', quantized: false, ks: [1, 3, 32, 77] });
