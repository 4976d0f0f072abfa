import { geluTanhMul } from '../src/graph/ops/geluTanhMul.ts';
import { sigmoid, testGated } from './families/elementwise.ts';

const geluTanh = (x: number) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));
await testGated(geluTanhMul, (gate, up) => geluTanh(gate) * up, { atol: 1e-6, rtol: 1e-6 });
