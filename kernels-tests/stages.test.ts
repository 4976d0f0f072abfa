// Programs cut into stages give the bits of those that are not, whatever crosses a border.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openGguf } from '../src/formats/gguf.ts';
import { beamSearch } from '../src/generate/beam.ts';
import { type Piece, Session } from '../src/generate/session.ts';
import { plan } from '../src/graph/plan.ts';
import { Llava } from '../src/index.ts';
import { openGgufPair } from '../src/models/ggufLayout.ts';
import type { ModelOptions } from '../src/models/model.ts';
import { openModel } from '../src/models/registry.ts';
import { Engine, type EngineOptions } from '../src/runtime/engine.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import { fileSource } from '../src/runtime/nodeFiles.ts';
import { Programs } from '../src/runtime/programs.ts';
import { fixture } from './fixtures.ts';
import { random } from './harness.ts';
import { randomGraph } from './randomGraph.ts';

test('random graphs: the same bits with a stage for each table', async () => {
  let most = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const { graph, data, tables } = randomGraph(seed, true);
    for (const taps of [[], [...graph.taps.keys()]]) {
      const results = [];
      for (const options of [{}, { stageBytes: 1 }]) {
        const engine = await Engine.create(nodePlatform, { threads: 0, ...options });
        const p = plan(graph, taps);
        await engine.stage(p);
        const program = engine.install(p);
        for (const [table, values] of tables) engine.writeFixed(table, values);
        // Twice: a run must leave nothing behind that the next one reads.
        for (let run = 0; run < 2; run++) {
          for (const [name, values] of data) engine.write(program, name, values);
          await engine.run(program);
        }
        results.push([...p.readable.keys()].map((name) => engine.read(program, name)));
        assert.ok(engine.memories.length <= Math.max(1, tables.size));
        most = Math.max(most, engine.memories.length);
        await engine.dispose();
      }
      assert.deepEqual(results[1], results[0], graph.name);
    }
  }
  assert.ok(most > 3, `at most ${most} stages`);
});

const ROWS = 9;
const picture = (hidden: number) => ({ key: 'picture', features: random(ROWS * hidden, 7), rows: ROWS });

async function withModel<T>(
  name: string,
  engineOptions: EngineOptions,
  options: ModelOptions,
  body: (session: Session, engine: Engine) => Promise<T>,
): Promise<T> {
  const checkpoint = openGgufPair(await openGguf(fileSource(join(fixture(`models/gguf/${name}`), 'model.gguf'))));
  const engine = await Engine.create(nodePlatform, { threads: 0, ...engineOptions });
  try {
    const model = await openModel(checkpoint, { context: 64, ...options });
    return await body(new Session(new Programs(engine, model.weights), model.decoder), engine);
  } finally {
    await engine.dispose();
    await checkpoint.files.close();
  }
}

/** Prefill in chunks, steps, a prefix that is shared, taps of every layer, and beams, which copy caches to and fro. */
async function answers(session: Session): Promise<unknown> {
  const { backbone, hooks } = session.decoder;
  const prompt = (...question: number[]): Piece[] => [1, 20, 31, picture(backbone.hidden), ...question];
  const all: unknown[] = [(await session.prefill(prompt(40, 41))).logits, await session.step(50), await session.step(51)];
  all.push(await session.prefill(prompt(40, 41, 50, 60)), session.cacheRows, session.kvBytes);
  const keep = Array.from({ length: backbone.layers }, (_, i) => `lm_hidden_${i + 1}`);
  await session.score(prompt(42), (program) => all.push(...['logits', ...keep].map((n) => session.programs.engine.read(program, n))), {
    keep,
  });
  if (!hooks.recompute) all.push(await beamSearch(session, prompt(43), { numBeams: 3, maxTokens: 4, end: new Set() }));
  return all;
}

for (const name of ['llama-q4_0', 'phi2-unfused-f32', 'qwen2-q8_0', 'stablelm-q8_0-parallel-qknorm']) {
  for (const prune of [undefined, { method: 'fastv', k: 1, r: 0.5 }, { method: 'fastv', k: 1, r: 0.5, cache: false }] as const) {
    test(`${name}${prune ? `, FastV${'cache' in prune ? ' without cache' : ''}` : ''}: the same bits with a memory for each layer`, async () => {
      const options: ModelOptions = { chunk: prune ? 64 : 5, ...(prune && { prune }) };
      const want = await withModel(name, {}, options, answers);
      for (const threads of [0, 2]) {
        const got = await withModel(name, { stageBytes: 1, threads }, options, async (session, engine) => {
          const result = await answers(session);
          assert.equal(engine.memories.length, session.decoder.backbone.layers + 2, 'embedding, layers, head');
          return result;
        });
        assert.deepEqual(got, want, `${threads} threads`);
      }
    });
  }
}

test('a profile sees the records of all stages; a stop between two of them ends the run', async () => {
  await withModel('llama-q4_0', { stageBytes: 1 }, {}, async (session, engine) => {
    const seen: number[] = [];
    session.programs.observer = {
      timed: () => true,
      ran: (_, program, { times }) => void seen.push(program.count - times![0]!.work.length),
    };
    await session.prefill([1, 20, 31]);
    assert.deepEqual(seen, [0]);
    session.programs.observer = undefined;
    const abort = new AbortController();
    const run = session.prefill([1, 20, 32], { signal: abort.signal });
    let ran = 0;
    engine.run = new Proxy(engine.run, {
      async apply(target, _, args: Parameters<Engine['run']>) {
        const result = target.apply(engine, args);
        abort.abort();
        ran = (await result).ran;
        return { ran };
      },
    });
    await assert.rejects(run, { name: 'AbortError' });
    assert.ok(ran > 0 && ran < 60, `${ran} records ran`);
  });
});

test('a tower and a language model in stages behind the public face', async () => {
  const answer = async (options: EngineOptions) => {
    await using llava = await Llava.load(fixture('models/gguf/llava15-tiny/model.gguf'), {
      mmproj: fixture('models/gguf/llava15-tiny/mmproj.gguf'),
      ...options,
    });
    const image = { width: 8, height: 6, data: new Uint8Array(144).map((_, i) => (i * 37) % 256) };
    const reply = llava.chat(
      [
        {
          role: 'user',
          content: [
            { type: 'image', image },
            { type: 'text', text: 'what?' },
          ],
        },
      ],
      { maxTokens: 8 },
    );
    return { text: await reply.text(), memories: llava.engine.memories.length };
  };
  const whole = await answer({});
  const staged = await answer({ stageBytes: 10_000 });
  assert.equal(staged.text, whole.text);
  assert.equal(whole.memories, 1);
  assert.ok(staged.memories > 2);
});

test('stageBytes: not a size', async () => {
  await assert.rejects(Engine.create(nodePlatform, { threads: 0, stageBytes: 0 }), /stageBytes: must be a positive number: got 0/);
});
