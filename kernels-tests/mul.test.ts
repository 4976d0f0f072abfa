import { mul } from '../src/graph/ops/mul.ts';
import { testBinary } from './families/elementwise.ts';

await testBinary(mul, (x, y) => x * y);
