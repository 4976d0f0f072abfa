// Golden case llava-1.5/sampling-warpers: probabilities after chains of sampling filters.

import { join } from 'node:path';
import { createSampler, type SamplerOptions } from '../generate/sampler.ts';
import { assertClose, floats, integers, loadTensors, Mismatch, readCase } from './compare.ts';
import type { CaseRunner } from './runner.ts';

const OPTIONS: ReadonlyMap<string, keyof SamplerOptions> = new Map([
  ['temperature', 'temperature'],
  ['top_k', 'topK'],
  ['top_p', 'topP'],
  ['repetition_penalty', 'repetitionPenalty'],
  ['no_repeat_ngram_size', 'noRepeatNgramSize'],
]);

/** Options of a chain such as `temperature 0.7, top_p 0.9`. */
function optionsOf(order: string): SamplerOptions {
  const options: Record<string, number> = {};
  for (const step of order.split(', ')) {
    const [name, value] = step.split(' ');
    const key = OPTIONS.get(name!);
    if (key === undefined) throw new Mismatch(`unknown filter in case.json: ${step}`);
    options[key] = Number(value);
  }
  return options;
}

async function run(dir: string): Promise<void> {
  const { params, tolerance } = readCase(dir);
  const inputs = await loadTensors(join(dir, 'inputs.safetensors'));
  const expected = await loadTensors(join(dir, 'expected.safetensors'));
  const logits = floats(inputs, 'logits');
  const previous = [...integers(inputs, 'previous_ids')];
  for (const chain of params.chains as readonly { name: string; order: string }[]) {
    const name = `probs_${chain.name}`;
    const got = Float32Array.from(createSampler(optionsOf(chain.order)).probabilities(logits, previous));
    assertClose(name, got, floats(expected, name), tolerance[name]!);
  }
}

export const cases: readonly CaseRunner[] = [
  { matches: (system, name) => system === 'llava-1.5' && name === 'sampling-warpers', run }, //
];
