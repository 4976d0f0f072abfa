import { geluTanh } from '../src/graph/ops/geluTanh.ts';
import { testUnary } from './families/elementwise.ts';

await testUnary(geluTanh, {}, (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))), {
  atol: 4e-7,
  rtol: 4e-7,
});
