// node-llama-cpp (native llama.cpp) against pumice: one GGUF language model, one thread, CPU time.
//   node bench/peers/native.mjs MODEL.gguf [--prompt 256] [--tokens 32] [--rounds 3]
// Needs node-llama-cpp where Node finds it: see bench/peers/README.md.

import { parseArgs } from 'node:util';
import { Session } from '../../build/src/generate/session.js';
import { Llava } from '../../build/src/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: 'string', default: '256' },
    tokens: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
  },
});
const path = positionals[0];
const [promptRows, tokens, rounds] = [values.prompt, values.tokens, values.rounds].map(Number);
const prompt = Array.from({ length: promptRows }, (_, i) => 300 + ((i * 7919) % 20000));

/** CPU milliseconds of this process, all threads. */
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];
async function timed(body) {
  const c = cpu();
  const w = performance.now();
  await body();
  return { cpu: cpu() - c, wall: performance.now() - w };
}

async function pumice() {
  const w = performance.now();
  const model = await Llava.load(path, { threads: 0, context: promptRows + tokens + 8, conversation: 'vicuna_v1' });
  const loadMs = performance.now() - w;
  const session = new Session(model.programs, model.model.decoder);
  return {
    name: `pumice, ${model.engine.build} build`,
    loadMs,
    prefill: async () => {
      session.truncate(0);
      await session.prefill(prompt);
    },
    decode: async () => {
      for (let i = 0; i < tokens; i++) await session.step(400 + i);
      session.truncate(promptRows);
    },
    close: () => model.dispose(),
  };
}

async function native() {
  const { getLlama } = await import('node-llama-cpp');
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' });
  const w = performance.now();
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false });
  const loadMs = performance.now() - w;
  const context = await model.createContext({ contextSize: promptRows + tokens + 8, batchSize: 512, threads: 1, flashAttention: true });
  const sequence = context.getSequence();
  return {
    name: `node-llama-cpp (${llama.cpuMathCores} cores seen), 1 thread`,
    loadMs,
    prefill: async () => {
      await sequence.clearHistory();
      await sequence.evaluateWithoutGeneratingNewTokens(prompt);
    },
    decode: async () => {
      for (let i = 0; i < tokens; i++) await sequence.evaluateWithoutGeneratingNewTokens([400 + i]);
      await sequence.eraseContextTokenRanges([{ start: promptRows, end: promptRows + tokens }]);
    },
    close: () => llama.dispose(),
  };
}

const peers = [await pumice(), await native()];
const runs = peers.map(() => ({ prefill: [], decode: [] }));
for (let r = -1; r < rounds; r++) {
  // In turn, so that the machine's moods hit both; round -1 warms up.
  for (const [i, p] of peers.entries()) {
    const prefill = await timed(p.prefill);
    const decode = await timed(p.decode);
    if (r < 0) continue;
    runs[i].prefill.push(prefill.cpu);
    runs[i].decode.push(decode.cpu);
  }
}
const rates = runs.map((r) => ({ prefill: (promptRows * 1000) / median(r.prefill), decode: (tokens * 1000) / median(r.decode) }));
console.log('| | load ms | prefill tokens/CPU-s | decode tokens/CPU-s |\n|---|---|---|---|');
peers.forEach((p, i) => {
  console.log(`| ${p.name} | ${p.loadMs.toFixed(0)} | ${rates[i].prefill.toFixed(1)} | ${rates[i].decode.toFixed(2)} |`);
});
console.log(`| ratio | | ${(rates[0].prefill / rates[1].prefill).toFixed(2)} | ${(rates[0].decode / rates[1].decode).toFixed(2)} |`);
await Promise.all(peers.map((p) => p.close()));
process.exit(0);
