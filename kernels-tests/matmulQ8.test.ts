import { testMatmul } from './matmul.ts';

await testMatmul({ dtype: 'packed-q8', from: 'q8_0', ks: [32, 64, 96, 160] });
