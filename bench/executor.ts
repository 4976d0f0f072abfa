// What the executor itself costs: a decode step of a model too small to matter, and one dispatched op that has nothing to do.
//   node build/bench/executor.js

import { Bench } from 'tinybench';
import { coldEngine } from '../kernels-tests/harness.ts';
import { openGguf } from '../src/formats/gguf.ts';
import { bufferSource } from '../src/formats/source.ts';
import { Session } from '../src/generate/session.ts';
import { Graph, newCell } from '../src/graph/graph.ts';
import { scale } from '../src/graph/ops/scale.ts';
import { plan } from '../src/graph/plan.ts';
import { openGgufPair } from '../src/models/ggufLayout.ts';
import { openModel } from '../src/models/registry.ts';
import { synthModel } from '../src/models/synth.ts';
import { bestBuild } from '../src/runtime/probe.ts';
import { Programs } from '../src/runtime/programs.ts';

const OPS = 1000;
const bench = new Bench({ time: 500, warmupTime: 200 });
const engine = await coldEngine(bestBuild());

const file = synthModel('overhead', 'q4_0');
const bytes = new Uint8Array(file.bytes);
let at = 0;
for (const piece of file.pieces()) {
  bytes.set(piece, at);
  at += piece.length;
}
const model = await openModel(openGgufPair(await openGguf(bufferSource(bytes))), { context: 128 });
const programs = new Programs(engine, model.weights);
const session = new Session(programs, model.decoder);
await session.prefill([1, 2, 3, 4, 5, 6, 7, 8]);
await session.step(9);
const decode = await programs.get('decode', () => model.decoder.graph('decode'));
bench.add('decode program, 2 layers of 64', () => engine.runNow(decode));
bench.add('decode step with its JavaScript', async () => {
  await session.step(9);
  session.truncate(9);
});

const g = new Graph('nothing');
const rows = newCell('no rows', 4);
let x = g.input('x', 'f32', [rows, 64]);
for (let i = 0; i < OPS; i++) x = g.add(scale, [x], { factor: 2 });
g.output('y', x);
const nothing = engine.install(plan(g));
engine.setCell(rows, 0);
bench.add(`${OPS} ops over 0 rows`, () => engine.runNow(nothing));

await bench.run();
console.log(`${engine.build} build, node ${process.version}`);
for (const task of bench.tasks) {
  const r = task.result;
  if (!('latency' in r) || !r.latency) continue;
  console.log(
    `${task.name.padEnd(36)} median ${(r.latency.p50 * 1000).toFixed(2).padStart(8)} us, least ${(r.latency.min * 1000).toFixed(2)} us`,
  );
}
console.log(`${decode.count} ops in the decode program`);
