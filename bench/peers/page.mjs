// What runs in the browser: pumice, wllama and transformers.js over the same weights. `clock` comes from outside: the CPU time of the
// whole browser, and wall time.

import { Llava } from '/build/src/entries/browser.js';
import { Session } from '/build/src/generate/session.js';

/** Ids of words, whatever the vocabulary: the first 259 are control tokens and bytes. */
const prompts = (rows, vocabulary) => Array.from({ length: rows }, (_, i) => 260 + ((i * 7919) % (vocabulary - 260)));
const between = (a, b) => ({ cpu: b.cpu - a.cpu, wall: b.wall - a.wall });
const blob = async (name) => (await fetch(`/files/${name}`)).blob();
let ours;
let wllama;
let transformer;

globalThis.peers = {
  async loadPumice({ file, threads, context }) {
    const bytes = new Uint8Array(await (await blob(file)).arrayBuffer());
    const llava = await Llava.load(bytes, { threads, context, conversation: 'vicuna_v1' });
    const { decoder } = llava.model;
    ours = { session: new Session(llava.programs, decoder), prompt: (rows) => prompts(rows, decoder.backbone.vocabulary) };
    return { build: llava.engine.build, threads: llava.engine.threads };
  },
  async pumiceRun(rows, tokens) {
    const { session, prompt } = ours;
    session.truncate(0);
    const start = await clock();
    let { logits } = await session.prefill(prompt(rows));
    const middle = await clock();
    const best = () => logits.indexOf(Math.max(...logits));
    const first = best();
    for (let i = 0; i < tokens; i++) logits = await session.step(best());
    return { prefill: between(start, middle), decode: between(middle, await clock()), first };
  },

  async loadWllama({ file, threads, context }) {
    const { Wllama } = await import('/bench/peers/node_modules/@wllama/wllama/esm/index.js');
    wllama = new Wllama({ default: '/bench/peers/node_modules/@wllama/wllama/esm/wasm/wllama.wasm' });
    await wllama.loadModel([await blob(file)], {
      n_threads: threads,
      n_ctx: context,
      n_gpu_layers: 0,
      n_parallel: 1,
      n_batch: 512,
      seed: 1,
      warmup: false,
    });
    return { threads: wllama.isMultithread() ? wllama.getNumThreads() : 1 };
  },
  /** Times of prompt and of the `tokens` after its first one. The CPU time of the call is split as wllama's own clock splits it. */
  async wllamaRun(rows, tokens) {
    // Words of the random vocabulary, each one token; one more begins the text.
    const prompt = Array.from({ length: rows - 1 }, (_, i) => `e${String.fromCharCode(97 + (i % 26))}`).join(' ');
    const start = await clock();
    let timings;
    const stream = await wllama.createCompletion({
      prompt,
      max_tokens: tokens + 1,
      temperature: 0,
      stream: true,
      cache_prompt: false,
      ignore_eos: true,
    });
    for await (const chunk of stream) timings = chunk.timings ?? timings;
    const all = between(start, await clock());
    if (timings.prompt_n !== rows || timings.predicted_n !== tokens + 1)
      throw new RangeError(`another number of tokens: ${JSON.stringify(timings)}`);
    const part = timings.prompt_ms / (timings.prompt_ms + timings.predicted_ms);
    const times = (share) => ({ cpu: all.cpu * share, wall: all.wall * share });
    return { prefill: times(part), decode: times(1 - part), timings };
  },

  async loadTransformers({ threads }) {
    const { AutoModelForCausalLM, env, Tensor } = await import(
      '/bench/peers/node_modules/@huggingface/transformers/dist/transformers.web.js'
    );
    Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: '/files/', useBrowserCache: false });
    Object.assign(env.backends.onnx.wasm, {
      numThreads: threads,
      wasmPaths: '/bench/peers/node_modules/@huggingface/transformers/node_modules/onnxruntime-web/dist/',
    });
    const model = await AutoModelForCausalLM.from_pretrained('llama', { dtype: 'q4', device: 'wasm', local_files_only: true });
    transformer = { model, Tensor, prompt: (rows) => prompts(rows, model.config.vocab_size) };
    return { threads: env.backends.onnx.wasm.numThreads };
  },
  async transformersRun(rows, tokens) {
    const { model, Tensor, prompt } = transformer;
    const int64 = (list) => new Tensor('int64', BigInt64Array.from(list, BigInt), [1, list.length]);
    const start = await clock();
    let middle;
    let first;
    const streamer = {
      put([ids]) {
        // The prompt comes first, then token by token.
        if (ids.length === rows) return;
        middle ??= clock();
        first ??= Number(ids[0]);
      },
      end() {},
    };
    await model.generate({
      input_ids: int64(prompt(rows)),
      attention_mask: int64(prompt(rows).fill(1)),
      max_new_tokens: tokens + 1,
      min_new_tokens: tokens + 1,
      do_sample: false,
      streamer,
    });
    const end = await clock();
    middle = await middle;
    return { prefill: between(start, middle), decode: between(middle, end), first };
  },
};
