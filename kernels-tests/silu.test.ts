import { silu } from '../src/graph/ops/silu.ts';
import { sigmoid, testUnary } from './families/elementwise.ts';

await testUnary(silu, {}, (x) => x * sigmoid(x), { atol: 2e-7, rtol: 4e-7 });
