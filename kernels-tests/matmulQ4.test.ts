import { testMatmul } from './matmul.ts';

await testMatmul({ dtype: 'packed-q4', from: 'q4_0', ks: [32, 64, 96, 160] });
