// What a LLaVA runs has a case in the benches of whole models.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { families } from '../bench/families.ts';
import { Graph } from '../src/graph/graph.ts';
import { plan } from '../src/graph/plan.ts';
import { Llava } from '../src/index.ts';
import type { Programs } from '../src/runtime/programs.ts';

const pebble = fileURLToPath(
  new URL(import.meta.url.endsWith('.js') ? '../../models/pebble.gguf' : '../models/pebble.gguf', import.meta.url),
);

/** Op names of all cases with one row or without rows. */
function benched(): Set<string> {
  const ops = new Set<string>();
  for (const { case: c } of families()) {
    if (/ (8|64|512) (rows|ids|after|over)/.test(c.name)) continue;
    const g = new Graph(c.name);
    c.graph(g).forEach((t, i) => {
      g.output(`${i}`, t);
    });
    for (const n of plan(g).nodes) ops.add(n.op.name);
  }
  return ops;
}

test('every op of a picture, a prefill and a decoded token has a family', async () => {
  await using llava = await Llava.load(pebble, { threads: 0 });
  const ran = new Set<string>();
  const watch = (programs: Programs) => {
    programs.observer = { timed: () => false, ran: (_, { plan: p }) => p.nodes.forEach((n) => void ran.add(n.op.name)) };
  };
  watch(llava.programs);
  watch(llava.vision);
  const image = { width: 40, height: 40, data: new Uint8Array(40 * 40 * 3).fill(90) };
  const content = [
    { type: 'image' as const, image },
    { type: 'text' as const, text: 'What is here?' },
  ];
  for await (const chunk of llava.chat([{ role: 'user', content }], { maxTokens: 2 })) void chunk;
  const ops = benched();
  assert.ok(ran.size > 10, [...ran].join());
  assert.deepEqual(
    [...ran].filter((op) => !ops.has(op)),
    [],
  );
});
