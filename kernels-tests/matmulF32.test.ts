import { testMatmul } from './matmul.ts';

await testMatmul({ dtype: 'packed-f32', from: 'f32', ks: [1, 3, 32, 77] });
await testMatmul({ dtype: 'packed-f32', from: 'bf16', ks: [1, 3, 32, 77] });
