import { testMatmul } from './matmul.ts';

await testMatmul({ dtype: 'packed-f16', from: 'f16', ks: [1, 3, 32, 77] });
await testMatmul({ dtype: 'packed-bf16', from: 'bf16', ks: [1, 3, 32, 77] });
