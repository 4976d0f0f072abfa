import { add } from '../src/graph/ops/add.ts';
import { testBinary } from './families/elementwise.ts';

await testBinary(add, (x, y) => x + y);
