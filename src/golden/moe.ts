// MoE-LLaVA: the gate alone, and whole models on its three backbones.

import { join } from 'node:path';
import { openSafetensors } from '../formats/safetensors.ts';
import { Graph, newCell } from '../graph/graph.ts';
import { Weights } from '../graph/weights.ts';
import { gate } from '../models/moe.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { fileSource } from '../runtime/nodeFiles.ts';
import { Programs } from '../runtime/programs.ts';
import { floats, loadTensors, readCase } from './compare.ts';
import { Comparison } from './endToEnd.ts';
import { compareRouter, modelCase } from './moeCase.ts';
import type { CaseRunner } from './runner.ts';

interface GateParams {
  readonly index: number;
  readonly tokens: number;
  readonly num_experts: number;
  readonly top_k_experts: number;
  readonly eval_capacity_factor: number;
  readonly min_capacity: number;
}

const gates: CaseRunner = {
  matches: (system, name) => system === 'moe-llava' && name === 'gate-vectors',
  async run(dir) {
    const c = readCase(dir);
    const inputs = await loadTensors(join(dir, 'inputs.safetensors'));
    const cmp = new Comparison(c, await loadTensors(join(dir, 'expected.safetensors')));
    const files = await openSafetensors(fileSource(join(dir, 'model.safetensors')));
    const weights = Weights.over(files);
    const engine = await Engine.create(nodePlatform, { threads: 0 });
    const programs = new Programs(engine, [weights]);
    for (const p of c.params.gates as GateParams[]) {
      const name = `g${p.index}`;
      const noise = [`${name}.gumbel`, `${name}.rts`].find((n) => inputs.has(n));
      const total = newCell('total', p.tokens);
      const program = await programs.get(name, () => {
        const g = new Graph(name);
        const x = g.input('x', 'f32', [p.tokens, 16]);
        const rules = { k: p.top_k_experts, factor: p.eval_capacity_factor, least: p.min_capacity, total };
        gate(g, weights.at(name), 0, p.num_experts, rules, x, noise ? g.input('noise', 'f32', [p.tokens, p.num_experts]) : undefined);
        return g;
      }, ['router_logits_0', 'router_weights_0', 'router_choices_0', 'router_load_0']);
      engine.write(program, 'x', floats(inputs, `${name}.x`));
      if (noise) engine.write(program, 'noise', floats(inputs, noise));
      engine.setCell(total, p.tokens);
      engine.runNow(program);
      compareRouter(cmp, engine, program, 0, name);
    }
    cmp.finish();
    await engine.dispose();
    await files.close();
  },
};

const models: CaseRunner = {
  matches: (system, name) => system === 'moe-llava' && /^(phi|qwen|stablelm)-/.test(name),
  run: modelCase,
};

export const cases: readonly CaseRunner[] = [gates, models];
