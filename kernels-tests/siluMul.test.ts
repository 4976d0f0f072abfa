import { siluMul } from '../src/graph/ops/siluMul.ts';
import { sigmoid, testGated } from './families/elementwise.ts';

await testGated(siluMul, (gate, up) => gate * sigmoid(gate) * up, { atol: 5e-7, rtol: 5e-7 });
