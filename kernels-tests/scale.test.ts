import { scale } from '../src/graph/ops/scale.ts';
import { testUnary } from './families/elementwise.ts';

await testUnary(scale, { factor: 0.3 }, (x) => Math.fround(x * Math.fround(0.3)), { atol: 0, rtol: 0 });
