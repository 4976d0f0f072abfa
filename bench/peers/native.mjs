// node-llama-cpp (native llama.cpp) in Node: one GGUF language model.
//   node bench/peers/native.mjs MODEL.gguf [--threads 1] [--prompt 256] [--tokens 32] [--rounds 3]

import { parseArgs } from 'node:util';
import { getLlama } from 'node-llama-cpp';
import { Session } from '../../build/src/generate/session.js';
import { Llava } from '../../build/src/index.js';
import peers from './package.json' with { type: 'json' };
import { contest, processClock, timed } from './timing.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    prompt: { type: 'string', default: '256' },
    tokens: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
  },
});
const path = positionals[0];
const [threads, rows, tokens, rounds] = [values.threads, values.prompt, values.tokens, values.rounds].map(Number);
const words = (vocabulary) => Array.from({ length: rows }, (_, i) => 260 + ((i * 7919) % (vocabulary - 260)));
const context = rows + tokens + 8;

async function pumice() {
  const llava = await Llava.load(path, { threads: threads === 1 ? 0 : threads, context, conversation: 'vicuna_v1' });
  const session = new Session(llava.programs, llava.model.decoder);
  const prompt = words(llava.model.decoder.backbone.vocabulary);
  return {
    prompt,
    prefill: async () => {
      session.truncate(0);
      await session.prefill(prompt);
    },
    decode: async () => {
      for (let i = 0; i < tokens; i++) await session.step(270 + i);
      session.truncate(rows);
    },
  };
}

async function native(prompt) {
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' });
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false });
  const ready = await model.createContext({ contextSize: context, batchSize: 512, threads, flashAttention: true });
  const sequence = ready.getSequence();
  return {
    prefill: async () => {
      await sequence.clearHistory();
      await sequence.evaluateWithoutGeneratingNewTokens(prompt);
    },
    decode: async () => {
      for (let i = 0; i < tokens; i++) await sequence.evaluateWithoutGeneratingNewTokens([270 + i]);
      await sequence.eraseContextTokenRanges([{ start: rows, end: rows + tokens }]);
    },
  };
}

const ours = await pumice();
const theirs = await native(ours.prompt);
const both = (side) => async () => ({ prefill: await timed(processClock, side.prefill), decode: await timed(processClock, side.decode) });
await contest({
  peer: `native llama.cpp (node-llama-cpp ${peers.dependencies['node-llama-cpp']})`,
  threads,
  unit: 'tokens',
  rounds,
  phases: {
    prefill: { what: `prefill of ${rows} tokens`, amount: rows, goal: 0.5 },
    decode: { what: `decode after ${rows} tokens`, amount: tokens, goal: 1 },
  },
  ours: both(ours),
  theirs: both(theirs),
});
process.exit(0);
