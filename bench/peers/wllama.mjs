// wllama in headless Chromium, and pumice in the same Chromium: one GGUF language model.
//   node bench/peers/wllama.mjs MODEL.gguf [--threads 1] [--prompt 64] [--tokens 16] [--rounds 1]

import { parseArgs } from 'node:util';
import peers from './package.json' with { type: 'json' };
import { wholeModel } from './phases.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    prompt: { type: 'string', default: '64' },
    tokens: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '1' },
  },
});
const [threads, rows, tokens, rounds] = [values.threads, values.prompt, values.tokens, values.rounds].map(Number);
await wholeModel({
  peer: `wllama ${peers.dependencies['@wllama/wllama']}`,
  load: 'loadWllama',
  run: 'wllamaRun',
  files: { 'model.gguf': positionals[0] },
  threads,
  rows,
  tokens,
  rounds,
  goals: { prefill: 20, decode: 12 },
});
