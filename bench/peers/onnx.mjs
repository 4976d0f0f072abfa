// onnxruntime-web in Node, one thread: single products, and one transformer block with the same weights.
//   node bench/peers/onnx.mjs [--rounds 3] [--quick]

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-web';
import { bufferSource } from '../../build/src/formats/source.js';
import { Session } from '../../build/src/generate/session.js';
import { fixedTensor, Graph } from '../../build/src/graph/graph.js';
import { linear } from '../../build/src/graph/linear.js';
import { plan } from '../../build/src/graph/plan.js';
import { Llava } from '../../build/src/index.js';
import { Engine } from '../../build/src/runtime/engine.js';
import { nodePlatform } from '../../build/src/runtime/node.js';
import { bestBuild } from '../../build/src/runtime/probe.js';
import { integerModel, llamaModel, nBitsModel } from './onnxModels.mjs';
import { synthBytes } from './synth.mjs';
import { contest, processClock, timed } from './timing.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, quick: { type: 'boolean' } } });
const rounds = Number(values.rounds);
const relaxed = bestBuild() === 'relaxed';
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';
if (relaxed) ort.env.wasm.simd = 'relaxed';
const create = (bytes) => ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
const peer = `onnxruntime-web ${ort.env.versions.web ?? ''}`.trim();

const repeated = (repeat, run) => async () => ({ all: await timed(processClock, run, repeat) });

async function product(name, model, packed, goals) {
  const [K, N] = values.quick ? [512, 512] : [4096, 4096];
  const session = await create(model(K, N));
  for (const build of relaxed ? ['relaxed', 'simd'] : ['simd']) {
    const engine = await Engine.create(nodePlatform, { threads: 0, build });
    const weight = fixedTensor('w', packed, [N, K]);
    for (const rows of [1, 128]) {
      const x = Float32Array.from({ length: rows * K }, (_, i) => Math.sin(i));
      const tensor = new ort.Tensor('float32', x, [rows, K]);
      const g = new Graph('product');
      g.output('y', linear(g, g.input('x', 'f32', [rows, K]), weight));
      const program = engine.install(plan(g));
      engine.write(program, 'x', x);
      await contest({
        peer,
        threads: 1,
        unit: 'GMAC',
        rounds: rounds * 2,
        phases: {
          all: {
            what: `${name}, ${rows === 1 ? '1 row' : `${rows} rows`}${build === 'simd' ? ' (plain build)' : ''}`,
            amount: (rows * K * N) / 1e9,
            goal: build === 'relaxed' ? goals[rows] : undefined,
          },
        },
        ours: repeated(rows === 1 ? 100 : 4, async () => engine.runNow(program)),
        theirs: repeated(rows === 1 ? 4 : 2, () => session.run({ x: tensor })),
      });
    }
    await engine.dispose();
  }
  await session.release();
}

/** One layer of a 1.1B llama over 128 rows, and over one row after them. */
async function block() {
  const gguf = synthBytes('llama-block');
  const { onnx, config } = await llamaModel(bufferSource(gguf));
  const theirs = await create(onnx);
  const dim = config.hidden_size / config.num_attention_heads;
  const llava = await Llava.load(gguf, { threads: 0, context: 256, conversation: 'vicuna_v1' });
  const ours = new Session(llava.programs, llava.model.decoder);
  const ids = Array.from({ length: 128 }, (_, i) => 3 + ((i * 7919) % 300));
  const int64 = (list) => new ort.Tensor('int64', BigInt64Array.from(list, BigInt), [1, list.length]);
  const ask = (rows, past, cache) =>
    theirs.run({
      input_ids: int64(rows),
      attention_mask: int64(new Array(past + rows.length).fill(1)),
      'past_key_values.0.key': cache?.[0] ?? new ort.Tensor('float32', new Float32Array(0), [1, config.num_key_value_heads, 0, dim]),
      'past_key_values.0.value': cache?.[1] ?? new ort.Tensor('float32', new Float32Array(0), [1, config.num_key_value_heads, 0, dim]),
    });
  const first = await ask(ids, 0);
  const cache = [first['present.0.key'], first['present.0.value']];
  alike((await ours.prefill(ids)).logits, first.logits.data);
  const common = { peer, threads: 1, unit: 'rows', rounds };
  await contest({
    ...common,
    phases: { all: { what: 'transformer block, 128 rows', amount: 128, goal: 5 } },
    ours: repeated(4, async () => {
      ours.truncate(0);
      await ours.prefill(ids);
    }),
    theirs: repeated(1, () => ask(ids, 0)),
  });
  await contest({
    ...common,
    phases: { all: { what: 'transformer block, 1 row', amount: 1, goal: 30 } },
    ours: repeated(100, async () => {
      await ours.step(7);
      ours.truncate(128);
    }),
    theirs: repeated(2, () => ask([7], 128, cache)),
  });
  await llava.dispose();
}

/** The same weights give nearly the same logits: pumice rounds activations to 8 bits. */
function alike(a, b) {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  const cosine = ab / Math.sqrt(aa * bb);
  assert.ok(cosine > 0.99, `the two do not compute the same model: cosine of logits ${cosine}`);
}

await product('MatMulNBits, 4 bits', nBitsModel, 'packed-q4', { 1: 30, 128: 5 });
await product('MatMulInteger, 8 bits', integerModel, 'packed-q8', {});
await block();
process.exit(0);
