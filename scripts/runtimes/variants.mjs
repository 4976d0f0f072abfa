// Variants of the embedded model, with random weights in what makes them: their answers say nothing, but tools find what they show of a
// variant. `model`: the GGUF file's bytes; `build`: where the package's modules lie.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** MQT-LLaVA: its resampler beside the projector, which nobody asks any more. */
export const mqtModel = (model, build) =>
  variant(model, build, async (meta, load) => {
    const { MQT_VARIANT } = await load('models/synthResamplers.js');
    return { tensors: MQT_VARIANT.tensors(meta.u32('llama.embedding_length'), meta.u32('clip.vision.embedding_length'), 'f32') };
  });

/** MoE-LLaVA: four experts in every second layer, two for each row. */
export const moeModel = (model, build) =>
  variant(model, build, async (meta) => {
    const [width, hidden, count] = ['embedding_length', 'feed_forward_length', 'block_count'].map((key) => meta.u32(`llama.${key}`));
    const layers = Array.from({ length: count >> 1 }, (_, i) => 2 * i);
    const tensors = layers.flatMap((layer) => {
      const at = (name, ...shape) => ({ name: `model.layers.${layer}.mlp.deepspeed_moe.${name}.weight`, type: 'f32', shape });
      const expert = (e) => [
        at(`experts.deepspeed_experts.${e}.gate_proj`, hidden, width),
        at(`experts.deepspeed_experts.${e}.up_proj`, hidden, width),
        at(`experts.deepspeed_experts.${e}.down_proj`, width, hidden),
      ];
      return [at('gate.wg', 4, width), ...[0, 1, 2, 3].flatMap(expert)];
    });
    const moe = { moe_enable: true, moe_layers_idx: layers, num_experts: layers.map(() => 4), top_k_experts: 2, eval_capacity_factor: 2 };
    return { tensors, config: { moe } };
  });

async function variant(model, build, make) {
  const load = (module) => import(pathToFileURL(join(build, module)).href);
  const [{ openGguf }, { bufferSource }, { joined }, { openGgufPair }, { hubContent }, { ggufStream }, { tensorBytes }, { nodePlatform }] =
    await Promise.all(
      [
        'formats/gguf',
        'formats/source',
        'formats/joined',
        'models/ggufLayout',
        'convert/fromHub',
        'convert/write',
        'formats/ggufWriter',
        'runtime/node',
      ].map((module) => load(`${module}.js`)),
    );
  const file = await openGguf(bufferSource(model));
  const checkpoint = openGgufPair(file);
  const { tensors, config = {} } = await make(file.meta, load);
  const random = {
    name: 'random',
    tensors: new Map(tensors.map((t) => [t.name, { ...t, bytes: tensorBytes(t) }])),
    // 1/16 of either sign; as f16 that is 0x2c00.
    async readInto({ type }, target, from = 0) {
      const bits = new DataView(target.buffer, target.byteOffset, target.byteLength);
      const step = type === 'f16' ? 2 : 4;
      for (let i = 0, x = 1 + from; i < target.length; i += step) {
        x = (x * 16807) % 2147483647;
        const minus = (x >> 8) & 1;
        if (step === 2) bits.setUint16(i, (minus << 15) | 0x2c00, true);
        else bits.setFloat32(i, (minus ? -1 : 1) / 16, true);
      }
    },
    async close() {},
  };
  const tokenizer = [...file.metadata].filter(([key]) => key.startsWith('tokenizer.'));
  // The variant's tensors take the place of dense ones of the same part.
  const content = hubContent(
    { ...checkpoint, config: checkpoint.config.with(config), files: joined([random, checkpoint.files]) },
    { tokenizer },
  );
  const pieces = [];
  for await (const piece of ggufStream(content, nodePlatform).pieces()) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}
