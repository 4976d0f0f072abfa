import { geluQuick } from '../src/graph/ops/geluQuick.ts';
import { sigmoid, testUnary } from './families/elementwise.ts';

await testUnary(geluQuick, {}, (x) => x * sigmoid(1.702 * x), { atol: 2e-7, rtol: 4e-7 });
