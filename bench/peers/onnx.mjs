// onnxruntime-web's MatMulNBits against pumice's matmulQ4: 4096 x 4096, 4 bits, one thread.
//   node bench/peers/onnx.mjs [--rounds 5]
// Needs onnxruntime-web where Node finds it: see bench/peers/README.md.

import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-web';
import { fixedTensor, Graph } from '../../build/src/graph/graph.js';
import { linear } from '../../build/src/graph/linear.js';
import { plan } from '../../build/src/graph/plan.js';
import { Engine } from '../../build/src/runtime/engine.js';
import { nodePlatform } from '../../build/src/runtime/node.js';
import { matMulNBits } from './onnxModel.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const [K, N] = [4096, 4096];
const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';
const session = await ort.InferenceSession.create(matMulNBits(K, N), { executionProviders: ['wasm'] });

const builds = [];
for (const build of ['relaxed', 'simd']) {
  const engine = await Engine.create(nodePlatform, { threads: 0, build }).catch(() => null);
  if (engine) builds.push({ build, engine, weight: fixedTensor('w', 'packed-q4', [N, K]) });
}

for (const rows of [1, 128]) {
  const x = Float32Array.from({ length: rows * K }, (_, i) => Math.sin(i));
  const tensor = new ort.Tensor('float32', x, [rows, K]);
  const peers = builds.map(({ build, engine, weight }) => {
    const g = new Graph('matmul');
    g.output('y', linear(g, g.input('x', 'f32', [rows, K]), weight));
    const program = engine.install(plan(g));
    engine.write(program, 'x', x);
    return { name: `pumice ${build}`, run: async () => engine.runNow(program) };
  });
  peers.push({ name: 'onnxruntime-web MatMulNBits', run: () => session.run({ x: tensor }) });
  const repeat = rows === 1 ? 20 : 2;
  const times = peers.map(() => []);
  for (let r = -2; r < Number(values.rounds); r++) {
    for (const [i, p] of peers.entries()) {
      const start = process.cpuUsage();
      for (let k = 0; k < repeat; k++) await p.run();
      const { user, system } = process.cpuUsage(start);
      if (r >= 0) times[i].push((user + system) / 1000 / repeat);
    }
  }
  const rates = times.map((t) => (rows * K * N) / median(t) / 1e6);
  peers.forEach((p, i) => {
    console.log(
      `rows ${String(rows).padStart(4)}  ${p.name.padEnd(30)} ${rates[i].toFixed(2).padStart(8)} GMAC/s  ${(rates[i] / rates.at(-1)).toFixed(2)}x`,
    );
  });
}
process.exit(0);
