// What onnxruntime-web runs: single products, and a llama out of a GGUF file with the same weights, bit for bit.

import { openGguf } from '../../build/src/formats/gguf.js';
import { OnnxGraph } from './onnxWriter.mjs';

const microsoft = { domain: 'com.microsoft' };

/** com.microsoft.MatMulNBits: 4 bits in blocks of 32, zero at 8, as in Q4_0. */
const matMulNBits = (g, x, { n, k, quants, scales }) =>
  g.node(
    'MatMulNBits',
    [x, g.constant('u8', [n, k / 32, 16], quants), g.constant('f32', [(n * k) / 32], scales)],
    { K: k, N: n, bits: 4, block_size: 32, accuracy_level: 4 },
    microsoft,
  );

/** x f32 [rows, k] -> y f32 [rows, n] by MatMulNBits of random weights. */
export function nBitsModel(k, n) {
  const g = new OnnxGraph();
  const quants = Uint8Array.from({ length: (n * k) / 2 }, (_, i) => (i * 2654435761) >>> 13);
  const scales = Float32Array.from({ length: (n * k) / 32 }, (_, i) => 0.01 + (i % 7) / 1000);
  const y = matMulNBits(g, g.input('x', 'f32', ['rows', k]), { n, k, quants, scales });
  g.node('Identity', [y], {}, { names: ['y'] });
  g.output('y', 'f32', ['rows', n]);
  return g.file();
}

/** x f32 [rows, k] -> y f32 [rows, n]: rows quantized as they come, MatMulInteger of 8-bit weights, scaled back. */
export function integerModel(k, n) {
  const g = new OnnxGraph();
  const weights = Int8Array.from({ length: k * n }, (_, i) => (i * 2654435761) >>> 13);
  g.node('DynamicQuantizeLinear', [g.input('x', 'f32', ['rows', k])], {}, { names: ['xq', 'xs', 'xz'] });
  const sums = g.node('MatMulInteger', ['xq', g.constant('i8', [k, n], weights), 'xz']);
  const scale = g.node('Mul', ['xs', g.constant('f32', [n], new Float32Array(n).fill(0.01))]);
  g.node('Mul', [g.node('Cast', [sums], { to: 1 }), scale], {}, { names: ['y'] });
  g.output('y', 'f32', ['rows', n]);
  return g.file();
}

/** A Q4_0 weight in the layout of MatMulNBits: there a byte holds neighbours, here columns 16 apart. */
function q4(bytes, [n, k]) {
  const blocks = (n * k) / 32;
  const quants = new Uint8Array(blocks * 16);
  const scales = new Float32Array(blocks);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let b = 0; b < blocks; b++) {
    const at = b * 18;
    scales[b] = half(view.getUint16(at, true));
    for (let i = 0; i < 8; i++) {
      const [even, odd] = [bytes[at + 2 + 2 * i], bytes[at + 3 + 2 * i]];
      quants[b * 16 + i] = (even & 15) | ((odd & 15) << 4);
      quants[b * 16 + 8 + i] = (even >> 4) | (odd & 240);
    }
  }
  return { n, k, quants, scales };
}

/** The same weight as f32. */
function floats({ n, k, quants, scales }) {
  const out = new Float32Array(n * k);
  for (let i = 0; i < out.length; i++) out[i] = (((quants[i >> 1] >> (4 * (i & 1))) & 15) - 8) * scales[i >> 5];
  return out;
}

const half = (h) => {
  const [exponent, fraction] = [(h >> 10) & 31, h & 1023];
  return (h & 0x8000 ? -1 : 1) * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
};

/**
 * The decoder of a Q4_0 llama with its inputs and outputs named as transformers.js expects. Only the last row goes through the head.
 * Returns the file, and the config that transformers.js reads beside it.
 */
export async function llamaModel(source) {
  const file = await openGguf(source);
  const [layers, heads, kvHeads, hidden, context] = [
    'block_count',
    'attention.head_count',
    'attention.head_count_kv',
    'embedding_length',
    'context_length',
  ].map((key) => Number(file.metadata.get(`llama.${key}`).value));
  const dim = hidden / heads;
  const g = new OnnxGraph();
  const read = async (name) => {
    const info = file.tensors.get(name);
    const bytes = new Uint8Array(info.bytes);
    await file.readInto(info, bytes);
    return { bytes, shape: info.shape };
  };
  const weight = async (name) => {
    const { bytes, shape } = await read(name);
    return q4(bytes, shape);
  };
  const norm = async (x, name) => {
    const scale = new Float32Array((await read(name)).bytes.buffer);
    return g.node('SimplifiedLayerNormalization', [x, g.constant('f32', [scale.length], scale)], { axis: -1, epsilon: { float: 1e-5 } });
  };
  const linear = async (x, name) => matMulNBits(g, x, await weight(name));

  const ids = g.input('input_ids', 'i64', ['batch_size', 'rows']);
  const mask = g.input('attention_mask', 'i64', ['batch_size', 'total']);
  const one = g.constant('i64', [1], BigInt64Array.of(1n));
  const last = g.node('Cast', [g.node('Sub', [g.node('ReduceSum', [mask, one], { keepdims: 0 }), one])], { to: 6 });
  const total = g.node('Cast', [g.node('Gather', [g.node('Shape', [mask]), g.constant('i64', [], BigInt64Array.of(1n))])], { to: 6 });
  const angle = (f) =>
    Float32Array.from({ length: (context * dim) / 2 }, (_, i) => f(Math.floor((2 * i) / dim) * 10000 ** ((-2 * (i % (dim / 2))) / dim)));
  const [cos, sin] = [Math.cos, Math.sin].map((f) => g.constant('f32', [context, dim / 2], angle(f)));

  const embedding = await weight('token_embd.weight');
  let x = g.node('Gather', [g.constant('f32', [embedding.n, hidden], floats(embedding)), ids]);
  const kv = ['batch_size', kvHeads, 'past', dim];
  for (let i = 0; i < layers; i++) {
    const h = await norm(x, `blk.${i}.attn_norm.weight`);
    const [q, k, v] = [
      await linear(h, `blk.${i}.attn_q.weight`),
      await linear(h, `blk.${i}.attn_k.weight`),
      await linear(h, `blk.${i}.attn_v.weight`),
    ];
    const past = ['key', 'value'].map((s) => g.input(`past_key_values.${i}.${s}`, 'f32', kv));
    const names = [`attention${i}`, `present.${i}.key`, `present.${i}.value`];
    const attributes = { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: 1, scale: { float: dim ** -0.5 } };
    const mixed = g.node('GroupQueryAttention', [q, k, v, ...past, last, total, cos, sin], attributes, { ...microsoft, names });
    for (const n of names.slice(1)) g.output(n, 'f32', ['batch_size', kvHeads, 'total', dim]);
    x = g.node('Add', [x, await linear(mixed, `blk.${i}.attn_output.weight`)]);
    const f = await norm(x, `blk.${i}.ffn_norm.weight`);
    const gate = await linear(f, `blk.${i}.ffn_gate.weight`);
    const silu = g.node('Mul', [gate, g.node('Sigmoid', [gate])]);
    x = g.node('Add', [x, await linear(g.node('Mul', [silu, await linear(f, `blk.${i}.ffn_up.weight`)]), `blk.${i}.ffn_down.weight`)]);
  }
  const end = g.node('Slice', [x, g.constant('i64', [1], BigInt64Array.of(-1n)), g.constant('i64', [1], BigInt64Array.of(2n ** 31n)), one]);
  const head = await linear(await norm(end, 'output_norm.weight'), 'output.weight');
  g.node('Identity', [head], {}, { names: ['logits'] });
  g.output('logits', 'f32', ['batch_size', 1, embedding.n]);
  await file.close();
  const config = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    vocab_size: embedding.n,
    max_position_embeddings: context,
    bos_token_id: 1,
    eos_token_id: 2,
  };
  return { onnx: g.file(), config };
}
