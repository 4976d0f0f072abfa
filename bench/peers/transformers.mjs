// transformers.js (onnxruntime-web's WASM) in headless Chromium, and pumice in the same Chromium. Its ONNX model is made of the GGUF file:
// the same weights, bit for bit, in MatMulNBits.
//   node bench/peers/transformers.mjs MODEL.gguf [--threads 1] [--prompt 64] [--tokens 4] [--rounds 1]

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileSource } from '../../build/src/runtime/nodeFiles.js';
import { llamaModel } from './onnxModels.mjs';
import peers from './package.json' with { type: 'json' };
import { wholeModel } from './phases.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    prompt: { type: 'string', default: '64' },
    tokens: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '1' },
  },
});
const [threads, rows, tokens, rounds] = [values.threads, values.prompt, values.tokens, values.rounds].map(Number);
const folder = await mkdtemp(join(tmpdir(), 'pumice-peers-'));
try {
  const { onnx, config } = await llamaModel(fileSource(positionals[0]));
  const files = { 'model.gguf': positionals[0] };
  for (const [name, data] of [
    ['config.json', JSON.stringify(config)],
    ['generation_config.json', JSON.stringify({ bos_token_id: 1, eos_token_id: 2, pad_token_id: 0 })],
    ['onnx/model_q4.onnx', onnx],
  ]) {
    const path = join(folder, name.replace('/', '-'));
    await writeFile(path, data);
    files[`llama/${name}`] = path;
  }
  await wholeModel({
    peer: `transformers.js ${peers.dependencies['@huggingface/transformers']}`,
    load: 'loadTransformers',
    run: 'transformersRun',
    files,
    threads,
    rows,
    tokens,
    rounds,
  });
} finally {
  await rm(folder, { recursive: true });
}
