// MoE-LLaVA: the gate alone, and whole models on its three backbones.

import { join } from 'node:path';
import { renderConversation, stopStrings, type Turn } from '../chat/conversation.ts';
import { conversation } from '../chat/conversations.ts';
import { parsePrompt, tokenizeWithImages } from '../chat/imagePrompt.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import { Graph, newCell } from '../graph/graph.ts';
import { Weights } from '../graph/weights.ts';
import { gate } from '../models/moe.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { fileSource, localFolder } from '../runtime/nodeFiles.ts';
import { Programs } from '../runtime/programs.ts';
import { loadTokenizer } from '../tokenizer/load.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { assertSame, floats, loadTensors, readCase } from './compare.ts';
import { Comparison } from './endToEnd.ts';
import { compareRouter, modelCase, openConverted } from './moeCase.ts';
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
  async run(dir) {
    await modelCase(dir);
    await modelCase(dir, openConverted);
  },
};

interface PromptParams {
  readonly tokenizers: Readonly<Record<string, TokenizerParams>>;
  readonly prompts: readonly {
    readonly tokenizer: string;
    readonly template: string;
    readonly turns: readonly (readonly [user: string, assistant: string | null])[];
    readonly ids: readonly number[];
    readonly stop_string: string;
    readonly stop_ids: readonly number[];
  }[];
}

interface TokenizerParams {
  readonly directory: string;
  readonly eos_token_id: number;
  readonly cases: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

const prompts: CaseRunner = {
  matches: (system, name) => system === 'moe-llava' && name === 'prompts-tokenizers',
  async run(dir) {
    const params = readCase(dir).params as unknown as PromptParams;
    const tokenizers = new Map<string, Tokenizer>();
    for (const [name, t] of Object.entries(params.tokenizers)) {
      const tokenizer = await loadTokenizer(localFolder(join(dir, t.directory)));
      tokenizers.set(name, tokenizer);
      assertSame(`${name}: end of text`, [tokenizer.eosId], [t.eos_token_id]);
      for (const c of t.cases) assertSame(`${name}: ${JSON.stringify(c.text)}`, tokenizer.encode(c.text, { special: true }), c.ids);
    }
    for (const [i, p] of params.prompts.entries()) {
      const turns = p.turns.flatMap(([user, assistant]): Turn[] => [
        { role: 'user', content: parsePrompt(user) },
        { role: 'assistant', content: assistant === null ? null : parsePrompt(assistant) },
      ]);
      const tokenizer = tokenizers.get(p.tokenizer)!;
      const c = conversation(p.template);
      assertSame(`prompt ${i} (${p.tokenizer})`, tokenizeWithImages(tokenizer, renderConversation(c, turns)), p.ids);
      assertSame(`prompt ${i}: stop`, [stopStrings(c).server], [p.stop_string]);
      assertSame(`prompt ${i}: ids of stop`, tokenizer.encode(p.stop_string, { special: true }), p.stop_ids);
    }
  },
};

export const cases: readonly CaseRunner[] = [gates, models, prompts];
